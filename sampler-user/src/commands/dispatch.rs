// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs a command: calls the module that does it, and prints what that returns. Errors
//! are returned to the caller, which prints them.

use std::io;
use std::path::{Path, PathBuf};

use sampler_trace::analysis::Analysis;
use sampler_trace::analysis::compare::Comparison;
use sampler_trace::convert::error::ConvertError;
use sampler_trace::convert::input::read_trace;

use crate::cli::arguments::Command;
use crate::cli::config::error::UsageError;
use crate::cli::config::exit::ExitStatus;
use crate::cli::config::{ConvertConfig, ReportConfig, TopConfig, ViewConfig};
use crate::commands::convert::convert;
use crate::commands::host::{self, HostError};
use crate::commands::standard_output::print;
use crate::commands::top::error::ShowError;
use crate::commands::top::top;
use crate::commands::view::{ViewError, view};
use crate::platform::delivery::{DeliveryError, open_input};
use crate::platform::log::LogError;
#[cfg(target_os = "linux")]
use crate::platform::privileges::role::drop_file_capabilities;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The arguments are invalid.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The log could not be started.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A command about the processes of this host failed.
    #[error(transparent)]
    Host(#[from] HostError),
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
    /// A trace could not be shown in the terminal.
    #[error(transparent)]
    Show(#[from] ShowError),
    /// Capabilities that this command must not use could not be given up.
    #[error("cannot drop privileges that are not needed: {0}")]
    Rights(io::Error),
    /// Standard output could not be written to.
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
}

/// Runs a command.
///
/// # Errors
/// [`CommandError`], to be printed.
pub fn run(command: Command) -> Result<ExitStatus, CommandError> {
    #[cfg(target_os = "linux")]
    if !matches!(command, Command::Host(_)) {
        drop_file_capabilities().map_err(CommandError::Rights)?;
    }
    match command {
        Command::Host(command) => Ok(host::run(command)?),
        Command::Convert(arguments) => {
            convert(&ConvertConfig::from_arguments(&arguments)?)?;
            Ok(ExitStatus::DATA)
        }
        Command::Report(arguments) => report(&ReportConfig::from_arguments(&arguments)?),
        Command::View(arguments) => Ok(view(&ViewConfig::from_arguments(&arguments))?),
        Command::Top(arguments) => Ok(top(&TopConfig::from_arguments(&arguments)?)?),
    }
}

fn report(config: &ReportConfig) -> Result<ExitStatus, CommandError> {
    let analyse = |path: &Path| -> Result<Analysis, CommandError> {
        let failed = |source: ConvertError| CommandError::Report {
            path: path.to_owned(),
            source,
        };
        let trace = read_trace(open_input(path)?).map_err(failed)?;
        let view = config.selection.of(&trace).map_err(failed)?;
        Ok(Analysis::new(&view))
    };
    let first = analyse(&config.input)?;
    let json = |json: serde_json::Result<String>| {
        let text = json.map_err(|error| CommandError::Print(error.into()))?;
        print(&(text + "\n")).map_err(CommandError::Print)
    };
    match &config.other {
        None if config.json => json(first.to_json())?,
        None => print(&first.report(config.top).to_string()).map_err(CommandError::Print)?,
        Some(path) => {
            let second = analyse(path)?;
            let comparison = Comparison::new(&first, &second);
            if config.json {
                json(comparison.to_json())?;
            } else {
                print(&comparison.report(config.top).to_string()).map_err(CommandError::Print)?;
            }
        }
    }
    Ok(ExitStatus::DATA)
}
