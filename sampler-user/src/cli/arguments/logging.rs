// SPDX-License-Identifier: MIT OR Apache-2.0

//! What several commands take about the log.

use clap::{Args, ValueEnum};

use crate::platform::log::LogOptions;

/// What is logged on standard error, and the form of what is printed there.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogArguments {
    /// Log what happens; -vv: also why stacks are cut or missing, -vvv: everything.
    /// The variable PYEBPF_LOG selects modules
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Format of everything on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl LogArguments {
    /// Returns what is logged, as the log takes it.
    pub fn options(self) -> LogOptions {
        LogOptions {
            verbosity: self.verbose,
            is_json: self.log_format == LogFormat::Json,
            is_service: false,
        }
    }
}

/// `--log-format`: the format of a line on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One object per line, for programs
    Json,
}
