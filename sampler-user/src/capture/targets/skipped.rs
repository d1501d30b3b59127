// SPDX-License-Identifier: MIT OR Apache-2.0

//! Processes that have Python, or might have it, and cannot be sampled, each with the
//! last reason. Of very many, only some are named.

use std::collections::{BTreeMap, HashSet};

use sampler_cpython::cpython::inspect_error::InspectError;
use tracing::{debug, info};

/// Most processes that are named; a host can start thousands of the same kind.
const MAX_NAMED: usize = 256;

/// The processes that cannot be sampled.
#[derive(Default)]
pub struct SkippedProcesses {
    by_process: BTreeMap<u32, InspectError>,
    unnamed: HashSet<u32>,
    hidden: HashSet<u32>,
    left_out: HashSet<u32>,
}

impl SkippedProcesses {
    /// Notes that the process `tgid` cannot be sampled.
    pub(super) fn add(&mut self, tgid: u32, error: InspectError) {
        info!(pid = tgid, reason = %error, "not sampled");
        if self.by_process.len() >= MAX_NAMED && !self.by_process.contains_key(&tgid) {
            self.unnamed.insert(tgid);
        } else {
            self.by_process.insert(tgid, error);
        }
    }

    /// Notes that pyebpf may not inspect the process `tgid`; most such processes have no
    /// Python.
    pub(super) fn hide(&mut self, tgid: u32) {
        debug!(pid = tgid, "no permission to inspect it");
        self.hidden.insert(tgid);
    }

    /// Notes that the table of processes had no room for the process `tgid`.
    pub(super) fn leave_out(&mut self, tgid: u32) {
        info!(pid = tgid, "not sampled: the table of processes is full");
        self.left_out.insert(tgid);
    }

    /// Notes that the process `tgid` can be sampled after all.
    pub(super) fn take_back(&mut self, tgid: u32) {
        self.by_process.remove(&tgid);
        self.unnamed.remove(&tgid);
        self.left_out.remove(&tgid);
    }

    pub(super) fn is_skipped(&self, tgid: u32) -> bool {
        self.by_process.contains_key(&tgid)
    }

    /// Lists them in words, with their reasons.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.by_process.values().map(ToString::to_string).collect();
        if !self.unnamed.is_empty() {
            lines.push(format!("{} more such processes", self.unnamed.len()));
        }
        match self.hidden.len() {
            0 => {}
            1 => lines.push("1 process that pyebpf has no permission to inspect".into()),
            count => lines.push(format!(
                "{count} processes that pyebpf has no permission to inspect"
            )),
        }
        lines
    }

    /// Returns how many processes the table had no room for.
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_and_counts_the_rest() {
        let mut skipped = SkippedProcesses::default();
        for pid in 0..1000 {
            skipped.add(pid, InspectError::NotPython { pid });
            skipped.add(pid, InspectError::Gone { pid });
        }
        let lines = skipped.lines();
        assert_eq!(lines.len(), MAX_NAMED + 1);
        assert_eq!(lines[MAX_NAMED], "744 more such processes");
        skipped.leave_out(7);
        skipped.leave_out(7);
        assert_eq!(skipped.left_out(), 1);
        assert!(skipped.is_skipped(7));
        skipped.take_back(7);
        assert!(!skipped.is_skipped(7));
    }
}
