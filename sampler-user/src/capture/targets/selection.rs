// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which processes to follow: all, chosen ones, or those given by process id.

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::choice::Choice;

/// Which processes to follow.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Every process with Python in it.
    Host,
    /// Every chosen process with Python in it, and what these start, as far as the eBPF
    /// program follows that.
    Chosen {
        /// The conditions; they are checked before a process is followed, and not again.
        choice: Choice,
        /// Whether descendants that were started before the recording are followed as
        /// well.
        with_children: bool,
    },
    /// These processes, and what they start, as far as the eBPF program follows that.
    Processes {
        /// Thread group ids.
        tgids: Vec<u32>,
        /// Whether descendants that were started before the recording are followed as
        /// well.
        with_children: bool,
    },
}

impl Selection {
    /// Whether to follow a process that was not followed so far, if it has Python in it.
    pub(super) fn wants(&self, tgid: u32, inspector: &ProcessInspector) -> bool {
        match self {
            Self::Chosen { choice, .. } => choice.wants(tgid, inspector),
            Self::Host | Self::Processes { .. } => true,
        }
    }
}
