// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs the commands about the processes of this host: `record`, `dump`, `ps`, `doctor`
//! and `ctl`.

use std::io;
use std::time::{Duration, SystemTime};

use sampler_cpython::process::cgroup_selector::NoSuchCgroup;
use sampler_cpython::process::namespace::{NamespaceError, PidNamespace};

use crate::capture::bpf::kernel::{Kernel, KernelError, KernelOptions};
use crate::capture::bpf::kernel_log::KernelLogLevel;
use crate::capture::bpf::tick_schedule::ClockPeriods;
use crate::capture::bpf::walk_backend::WalkBackendChoice;
use crate::capture::targets::process_filter::ProcessFilter;
use crate::cli::arguments::serve::words_of_command;
use crate::cli::arguments::{
    DumpArguments, HostCommand, ListingArguments, PsArguments, RecordArguments, TopArguments,
};
use crate::cli::config::error::UsageError;
use crate::cli::config::exit::ExitStatus;
use crate::cli::config::serve::ServeConfig;
use crate::cli::config::{Environment, PsConfig, RecordConfig, SamplingConfig};
use crate::commands::ctl;
use crate::commands::ctl::error::CtlError;
use crate::commands::doctor::Diagnosis;
use crate::commands::doctor::check::CheckResult;
use crate::commands::doctor::probe::Probe;
use crate::commands::ps::Listing;
use crate::commands::standard_output::print;
use crate::dump::document::Dump;
use crate::dump::error::DumpError;
use crate::platform::console::CONSOLE;
use crate::platform::privileges::role::drop_file_capabilities;
use crate::platform::sandbox;
use crate::record;
use crate::record::error::RecordError;
use crate::serve;
use crate::serve::error::ServeError;

/// Why a command about the processes of this host failed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The arguments are invalid.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The recording failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The dump failed.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A server could not be asked.
    #[error(transparent)]
    Ctl(#[from] CtlError),
    /// The server, or a part of it, has ended.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Process ids cannot be relied on.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A cgroup that was asked for does not exist.
    #[error(transparent)]
    Cgroup(#[from] NoSuchCgroup),
    /// The processes could not be listed.
    #[error("cannot list the processes: {0}")]
    List(io::Error),
    /// Standard output could not be written to.
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
}

/// Runs a command.
///
/// # Errors
/// [`HostError`], to be printed.
pub fn run(command: HostCommand) -> Result<ExitStatus, HostError> {
    match command {
        HostCommand::Record(arguments) => record(&arguments),
        HostCommand::Dump(arguments) => dump(&arguments),
        HostCommand::Ps(arguments) => ps(&arguments),
        HostCommand::Doctor(arguments) => doctor(&arguments),
        HostCommand::Ctl(arguments) => {
            drop_file_capabilities().map_err(CtlError::Rights)?;
            ctl::run(&arguments)?;
            Ok(ExitStatus::DATA)
        }
        HostCommand::Serve(arguments) => {
            let config = ServeConfig::from_arguments(&arguments)?;
            serve::run::serve(&config, &arguments, &words_of_command())?;
            Ok(ExitStatus::DATA)
        }
        HostCommand::ServeRecorder(arguments) => {
            serve::recorder::serve_recorder(&ServeConfig::from_arguments(&arguments)?)?;
            Ok(ExitStatus::DATA)
        }
        HostCommand::TopRecorder(arguments) => {
            let TopArguments {
                sampling, bounds, ..
            } = &*arguments;
            let config = SamplingConfig::from_arguments(sampling, bounds, &[])?;
            record::stream::stream(&config)?;
            Ok(ExitStatus::DATA)
        }
        HostCommand::ServeFront(arguments) => {
            serve::front::serve_front(&ServeConfig::from_arguments(&arguments)?)?;
            Ok(ExitStatus::DATA)
        }
    }
}

fn record(arguments: &RecordArguments) -> Result<ExitStatus, HostError> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let environment = Environment {
        host: host.trim(),
        now: SystemTime::now(),
    };
    let config = RecordConfig::from_arguments(arguments, environment)?;
    Ok(record::run::record(&config)?)
}

fn dump(arguments: &DumpArguments) -> Result<ExitStatus, HostError> {
    let dump = Dump::take(arguments.pid)?;
    let text = if arguments.json {
        dump.to_json()
            .map_err(|error| HostError::Print(error.into()))?
            + "\n"
    } else {
        dump.to_string()
    };
    print(&text).map_err(HostError::Print)?;
    Ok(ExitStatus::DATA)
}

fn ps(arguments: &PsArguments) -> Result<ExitStatus, HostError> {
    let PsConfig { filter, json } = PsConfig::from_arguments(arguments);
    let namespace = PidNamespace::ours()?;
    let filter = ProcessFilter::find(&filter.cgroups, filter.name)?;
    let listing = Listing::of_this_host(&filter).map_err(HostError::List)?;
    if let Some(note) = namespace.note() {
        CONSOLE.note(note);
    }
    let text = if json {
        listing
            .to_json()
            .map_err(|error| HostError::Print(error.into()))?
            + "\n"
    } else {
        listing.to_string()
    };
    print(&text).map_err(HostError::Print)?;
    Ok(ExitStatus::DATA)
}

fn doctor(arguments: &ListingArguments) -> Result<ExitStatus, HostError> {
    let options = KernelOptions {
        log: KernelLogLevel::Off,
        follow_children: true,
        report_all_execs: true,
        skip_non_python: true,
        ring_bytes: 1 << 16,
        scans: true,
        returns: true,
        signals: false,
        walk_backend: WalkBackendChoice::from_environment(),
        // What is wrong with the namespace is a check of its own.
        pid_namespace: PidNamespace::ours().ok().and_then(PidNamespace::own_inode),
    };
    let describe = |error: KernelError| error.to_string();
    let diagnosis = Diagnosis::examine(&Probe::of_this_system());
    let sandbox = sandbox::try_out().map_err(|error| error.to_string());
    let diagnosis = match Kernel::load(options) {
        Ok(mut kernel) => {
            let ticks = kernel.start_ticks(ClockPeriods::random(Duration::from_secs(1)));
            let scans = kernel.prepare_scans().and_then(|_| kernel.follow_returns());
            diagnosis
                .with_load_result(ticks.map(drop).map_err(describe))
                .with_walk_backend(kernel.walk_backend().without_loop())
                .with_scan_result(scans.map_err(|error| error.in_one_line()))
        }
        Err(error) => diagnosis.with_load_result(Err(describe(error))),
    };
    let diagnosis = diagnosis.with_sandbox_result(sandbox);
    let text = if arguments.json {
        diagnosis.to_json() + "\n"
    } else {
        diagnosis.to_string()
    };
    print(&text).map_err(HostError::Print)?;
    Ok(status_of(diagnosis.verdict()))
}

/// Returns the exit status of `doctor` if this is its worst result: 3 when recording does not
/// work, else 0.
fn status_of(verdict: CheckResult) -> ExitStatus {
    match verdict {
        CheckResult::Missing => ExitStatus::NOT_ALLOWED,
        CheckResult::Ok | CheckResult::Unknown | CheckResult::Limited => ExitStatus::DATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doctor_fails_only_where_recording_does_not_work() {
        assert_eq!(status_of(CheckResult::Missing), ExitStatus::NOT_ALLOWED);
        for result in [CheckResult::Ok, CheckResult::Unknown, CheckResult::Limited] {
            assert_eq!(status_of(result), ExitStatus::DATA);
        }
    }
}
