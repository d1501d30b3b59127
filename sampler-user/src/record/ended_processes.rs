// SPDX-License-Identifier: MIT OR Apache-2.0

//! Remembers which processes have ended, until no sample of them can still arrive.

use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use sampler_trace::model::identifiers::KernelTime;

/// Processes that were found to have ended.
pub(super) struct EndedProcesses {
    /// When that was, for those that may still have samples on the way.
    since: FxHashMap<ProcessKey, KernelTime>,
    /// How long a sample may still arrive.
    rest: Duration,
}

impl EndedProcesses {
    /// Remembers ended processes for the time `rest`.
    pub(super) fn new(rest: Duration) -> Self {
        Self {
            since: FxHashMap::default(),
            rest,
        }
    }

    /// Notes that a process was found to have ended, if that is news.
    pub(super) fn note(&mut self, process: ProcessKey, now: KernelTime) {
        self.since.entry(process).or_insert(now);
    }

    /// Whether the process ended so long ago that no sample of it can arrive.
    pub(super) fn is_over(&self, process: ProcessKey, now: KernelTime) -> bool {
        let end = self.since.get(&process);
        end.is_some_and(|end| now.since(*end) >= self.rest)
    }

    pub(super) fn forget(&mut self, process: ProcessKey) {
        self.since.remove(&process);
    }
}
