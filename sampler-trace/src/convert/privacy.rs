// SPDX-License-Identifier: MIT OR Apache-2.0

//! Removes data from a trace that others should not see.

use crate::container::load::Trace;

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
            trace.info.command.clear();
        }
    }
}
