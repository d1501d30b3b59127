//! What is left out of a trace before others see it. It refuses to decide that
//! it should be.

use crate::trace::Trace;

/// What is left out. The default leaves out nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// The text of source lines.
    pub no_source: bool,
    /// The command lines of processes, and that of the recording.
    pub no_command_line: bool,
}

impl Privacy {
    /// Takes it out.
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
