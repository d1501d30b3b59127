// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs a typed verb: calls the module that does it, and prints what that returns. Errors
//! are returned to the caller, which prints them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sampler_cpython::process::cgroup_selector::NoSuchCgroup;
use sampler_cpython::process::namespace::{NamespaceError, PidNamespace};
use sampler_trace::analysis::Analysis;
use sampler_trace::analysis::compare::Comparison;
use sampler_trace::convert::ConvertError;
use sampler_trace::convert::input::read_trace;

use crate::capture::bpf::kernel::{Kernel, KernelError, KernelOptions};
use crate::capture::bpf::rhythm::Rhythm;
use crate::capture::bpf::stepping::SteppingChoice;
use crate::capture::targets::choice::Choice;
use crate::cli::arguments::{DumpArguments, ListingArguments, PsArguments, Verb};
use crate::cli::config::error::UsageError;
use crate::cli::config::exit::ExitStatus;
use crate::cli::config::{
    ConvertConfig, DumpConfig, PsConfig, RecordConfig, ReportConfig, Surroundings, ViewConfig,
};
use crate::commands::doctor::Diagnosis;
use crate::commands::doctor::probe::Probe;
use crate::commands::dump::{Dump, DumpError};
use crate::commands::ps::Listing;
use crate::commands::view::{ViewError, view};
use crate::platform::delivery::{DeliveryError, convert_file, open_input};
use crate::platform::privileges::role::give_up_what_was_lent;
use crate::platform::sandbox;
use crate::record::error::RecordError;
use crate::record::run::record;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// The arguments are invalid.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The recording failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The conversion failed.
    #[error(transparent)]
    Convert(#[from] DeliveryError),
    /// The trace of a report cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Report {
        /// The trace.
        path: PathBuf,
        /// What is wrong with it.
        source: ConvertError,
    },
    /// The page could not be made.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The dump failed.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// Capabilities that this verb must not use could not be given up.
    #[error("cannot give up rights that are not needed: {0}")]
    Rights(io::Error),
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

impl VerbError {
    /// The exit status of the program.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) => ExitStatus::USAGE,
            Self::Namespace(_) => ExitStatus::NOT_ALLOWED,
            Self::Cgroup(_) => ExitStatus::NOTHING_SAMPLED,
            Self::Record(error) => error.exit_status(),
            Self::Convert(error) => error.exit_status(),
            Self::Dump(error) => error.exit_status(),
            Self::Report { .. }
            | Self::View(_)
            | Self::Rights(_)
            | Self::List(_)
            | Self::Print(_) => ExitStatus::ERROR,
        }
    }
}

/// Runs a verb.
///
/// # Errors
/// [`VerbError`], to be printed; it has the exit status.
pub fn run(verb: Verb) -> Result<ExitStatus, VerbError> {
    if matches!(verb, Verb::Convert(_) | Verb::Report(_) | Verb::View(_)) {
        give_up_what_was_lent().map_err(VerbError::Rights)?;
    }
    match verb {
        Verb::Record(typed) => {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let surroundings = Surroundings {
                host: host.trim(),
                now: SystemTime::now(),
            };
            Ok(record(&RecordConfig::from_arguments(
                &typed,
                surroundings,
            )?)?)
        }
        Verb::Convert(typed) => {
            convert_file(&ConvertConfig::from_arguments(&typed)?)?;
            Ok(ExitStatus::DATA)
        }
        Verb::Report(typed) => report(&ReportConfig::from_arguments(&typed)?),
        Verb::View(typed) => Ok(view(&ViewConfig::from_arguments(&typed))?),
        Verb::Dump(typed) => dump(&typed),
        Verb::Ps(typed) => ps(&typed),
        Verb::Doctor(typed) => doctor(&typed),
    }
}

fn report(config: &ReportConfig) -> Result<ExitStatus, VerbError> {
    let analyse = |path: &Path| -> Result<Analysis, VerbError> {
        let failed = |source: ConvertError| VerbError::Report {
            path: path.to_owned(),
            source,
        };
        let trace = read_trace(open_input(path)?).map_err(failed)?;
        let view = config.selection.of(&trace).map_err(failed)?;
        Ok(Analysis::of(&view))
    };
    let first = analyse(&config.input)?;
    let json = |json: serde_json::Result<String>| {
        let text = json.map_err(|error| VerbError::Print(error.into()))?;
        print(&(text + "\n"))
    };
    match &config.other {
        None if config.json => json(first.to_json())?,
        None => print(&first.report(config.top).to_string())?,
        Some(path) => {
            let second = analyse(path)?;
            let comparison = Comparison::of(&first, &second);
            if config.json {
                json(comparison.to_json())?;
            } else {
                print(&comparison.report(config.top).to_string())?;
            }
        }
    }
    Ok(ExitStatus::DATA)
}

fn dump(typed: &DumpArguments) -> Result<ExitStatus, VerbError> {
    let dump = Dump::take(DumpConfig::from_arguments(typed)?)?;
    let text = if typed.json {
        dump.to_json()
            .map_err(|error| VerbError::Print(error.into()))?
            + "\n"
    } else {
        dump.to_string()
    };
    print(&text)?;
    Ok(ExitStatus::DATA)
}

fn ps(typed: &PsArguments) -> Result<ExitStatus, VerbError> {
    let PsConfig { choice, json } = PsConfig::from_arguments(typed)?;
    let namespace = PidNamespace::ours()?;
    let choice = Choice::find(&choice.cgroups, choice.name)?;
    let listing = Listing::of_this_host(&choice).map_err(VerbError::List)?;
    if let Some(note) = namespace.note() {
        eprintln!("pyebpf: {note}");
    }
    let text = if json {
        listing
            .to_json()
            .map_err(|error| VerbError::Print(error.into()))?
            + "\n"
    } else {
        listing.to_string()
    };
    print(&text)?;
    Ok(ExitStatus::DATA)
}

fn doctor(typed: &ListingArguments) -> Result<ExitStatus, VerbError> {
    let options = KernelOptions {
        follow_children: true,
        report_all_execs: true,
        leave_plain_programs: true,
        ring_bytes: 1 << 16,
        passes: true,
        stepping: SteppingChoice::of_environment(),
        // What is wrong with the namespace is a check of its own.
        pid_namespace: PidNamespace::ours().ok().and_then(PidNamespace::own_inode),
    };
    let in_words = |error: KernelError| error.to_string();
    let diagnosis = Diagnosis::examine(&Probe::of_this_system());
    let sandbox = sandbox::try_out().map_err(|error| error.to_string());
    let diagnosis = match Kernel::load(options) {
        Ok(mut kernel) => {
            let ticks = kernel.start_ticks(Rhythm::drawn(Duration::from_secs(1)));
            let passes = kernel.prepare_passes();
            diagnosis
                .with_load_result(ticks.map(drop).map_err(in_words))
                .with_stepping(kernel.stepping().without_loop())
                .with_pass_result(passes.map(drop).map_err(|error| error.in_one_line()))
        }
        Err(error) => diagnosis.with_load_result(Err(in_words(error))),
    };
    let diagnosis = diagnosis.with_sandbox_result(sandbox);
    let text = if typed.json {
        diagnosis.to_json() + "\n"
    } else {
        diagnosis.to_string()
    };
    print(&text)?;
    Ok(diagnosis.exit_status())
}

/// Prints to standard output. A reader that is gone, as with `head`, is no error.
fn print(text: &str) -> Result<(), VerbError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(VerbError::Print(error)),
        _ => Ok(()),
    }
}
