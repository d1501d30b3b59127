//! From a verb that was typed to the module that does it. It refuses to do any
//! of it, and to print an error.

use std::io::{self, Write};
use std::time::SystemTime;

use crate::bpf::kernel::{Kernel, KernelError, KernelOptions};
use crate::cli::{ListingArguments, Verb};
use crate::config::{ConvertConfig, ExitStatus, RecordConfig, Surroundings, UsageError};
use crate::delivery::{DeliveryError, convert_file};
use crate::doctor::{Diagnosis, Probe};
use crate::ps::Listing;
use crate::recorder::{RecordError, record};

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// What was typed cannot be meant.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The recording.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The conversion.
    #[error(transparent)]
    Convert(#[from] DeliveryError),
    /// The list of processes.
    #[error("cannot list the processes: {0}")]
    List(io::Error),
    /// Standard output.
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
}

impl VerbError {
    /// The exit status of the program.
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) => ExitStatus::USAGE,
            Self::Record(error) => error.exit_status(),
            Self::Convert(error) => error.exit_status(),
            Self::List(_) | Self::Print(_) => ExitStatus::ERROR,
        }
    }
}

/// Does what was typed.
///
/// # Errors
/// [`VerbError`], to be printed with its exit status.
pub fn run(verb: Verb) -> Result<ExitStatus, VerbError> {
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
        Verb::Ps(typed) => ps(&typed),
        Verb::Doctor(typed) => doctor(&typed),
    }
}

fn ps(typed: &ListingArguments) -> Result<ExitStatus, VerbError> {
    let listing = Listing::of_this_host().map_err(VerbError::List)?;
    let text = if typed.json {
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
    let loaded = Kernel::load(KernelOptions {
        follow_children: true,
        report_all_execs: true,
        ring_bytes: 1 << 16,
        passes: Some(10),
    })
    .and_then(|mut kernel| kernel.start_ticks(1));
    let diagnosis = Diagnosis::examine(&Probe::of_this_system())
        .with_load_result(loaded.map_err(|error: KernelError| error.to_string()));
    let text = if typed.json {
        diagnosis.to_json() + "\n"
    } else {
        diagnosis.to_string()
    };
    print(&text)?;
    Ok(diagnosis.exit_status())
}

/// Prints; a reader that has gone away, as `head` does, is no error.
fn print(text: &str) -> Result<(), VerbError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(VerbError::Print(error)),
        _ => Ok(()),
    }
}
