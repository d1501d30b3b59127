// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which processes to follow: all, those that match a filter, or those given by process id.

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::process_filter::ProcessFilter;

/// Which processes to follow.
#[derive(Clone, Debug)]
pub enum TargetScope {
    /// Every process with Python in it.
    Host,
    /// Every process with Python in it that matches, and what these start, as far as the eBPF
    /// program follows that.
    Filtered {
        /// The conditions; they are checked before a process is followed, and not again.
        filter: ProcessFilter,
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

impl TargetScope {
    /// Whether to follow a process that was not followed so far, if it has Python in it.
    pub(super) fn wants(&self, tgid: u32, inspector: &ProcessInspector) -> bool {
        match self {
            Self::Filtered { filter, .. } => filter.wants(tgid, inspector),
            Self::Host | Self::Processes { .. } => true,
        }
    }
}
