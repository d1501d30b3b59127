// SPDX-License-Identifier: MIT OR Apache-2.0

//! Removes data from a trace that others should not see.

use crate::container::info::TraceInfo;
use crate::container::load::Trace;
use crate::model::track::ProcessInfo;

/// What to remove. The default removes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The text of source lines.
    pub no_source: bool,
    /// The command lines of the processes and of the recording.
    pub no_command_line: bool,
}

impl Privacy {
    /// Removes it from a trace.
    pub fn apply(self, trace: &mut Trace) {
        if self.no_source {
            trace.symbols.forget_sources();
        }
        if self.no_command_line {
            trace.tracks.forget_command_lines();
        }
        trace.info = self.info(&trace.info);
    }

    /// Returns a header without it.
    #[must_use]
    pub fn info(self, info: &TraceInfo) -> TraceInfo {
        let mut info = info.clone();
        if self.no_command_line {
            info.command.clear();
        }
        info
    }

    /// Returns a process without it.
    #[must_use]
    pub fn process(self, process: &ProcessInfo) -> ProcessInfo {
        let mut process = process.clone();
        if self.no_command_line {
            process.cmdline.clear();
        }
        process
    }
}
