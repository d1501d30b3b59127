// SPDX-License-Identifier: MIT OR Apache-2.0

//! The generations of followed processes: a process begins another life with each
//! program, and a process id is used again. Tells which life each process id means now.

use std::collections::HashMap;

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use tracing::trace;

use crate::capture::targets::followed::FollowedProcess;

/// All lives that were not removed.
#[derive(Default)]
pub(super) struct ProcessGenerations {
    processes: FxHashMap<ProcessKey, FollowedProcess>,
    current: HashMap<u32, ProcessKey>,
}

impl ProcessGenerations {
    /// Adds a life that has begun. An earlier one with the same process id is over.
    pub(super) fn begin(&mut self, process: FollowedProcess) {
        trace!(
            pid = process.tgid,
            has_python = process.python.is_some(),
            "followed"
        );
        if let Some(before) = self.current.insert(process.tgid, process.key)
            && before != process.key
            && let Some(before) = self.processes.get_mut(&before)
        {
            before.has_ended = true;
        }
        self.processes.insert(process.key, process);
    }

    /// Marks a life as over. Samples of it may still arrive.
    pub(super) fn end(&mut self, key: ProcessKey) {
        if let Some(process) = self.processes.get_mut(&key) {
            trace!(pid = process.tgid, "ended, or runs another program");
            process.has_ended = true;
            if self.current.get(&process.tgid) == Some(&key) {
                self.current.remove(&process.tgid);
            }
        }
    }

    /// Removes a life.
    pub(super) fn remove(&mut self, key: ProcessKey) -> Option<FollowedProcess> {
        let process = self.processes.remove(&key)?;
        if self.current.get(&process.tgid) == Some(&key) {
            self.current.remove(&process.tgid);
        }
        Some(process)
    }

    /// Removes and returns those lives that are over and for which `is_over` holds.
    pub(super) fn take_ended(
        &mut self,
        is_over: impl Fn(ProcessKey) -> bool,
    ) -> Vec<FollowedProcess> {
        let ended = self
            .processes
            .extract_if(|key, process| process.has_ended && is_over(*key));
        ended.map(|(_, process)| process).collect()
    }

    pub(super) fn get(&self, key: ProcessKey) -> Option<&FollowedProcess> {
        self.processes.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: ProcessKey) -> Option<&mut FollowedProcess> {
        self.processes.get_mut(&key)
    }

    /// Returns the life that the process `tgid` lives now.
    pub(super) fn current(&self, tgid: u32) -> Option<ProcessKey> {
        self.current.get(&tgid).copied()
    }

    /// Returns the ids of all living processes.
    pub(super) fn tgids(&self) -> Vec<u32> {
        self.current.keys().copied().collect()
    }

    /// Returns all lives, including those that are over.
    pub(super) fn all(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.processes.values()
    }

    /// Returns the lives that are over.
    pub(super) fn ended(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.all().filter(|process| process.has_ended)
    }

    /// Returns the lives that are not over.
    pub(super) fn going_on(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.all().filter(|process| !process.has_ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_used_again_ends_the_life_before() {
        let mut generations = ProcessGenerations::default();
        let (first, second) = (ProcessKey(1), ProcessKey(2));
        generations.begin(FollowedProcess::new(first, 7));
        generations.begin(FollowedProcess::new(second, 7));
        assert_eq!(generations.current(7), Some(second));
        let ended: Vec<_> = generations.ended().map(|it| it.key).collect();
        assert_eq!(ended, [first]);
        // The record of the first life's end comes late and must not end the second.
        generations.end(first);
        assert_eq!(generations.current(7), Some(second));
        assert_eq!(generations.take_ended(|_| true).len(), 1);
        generations.end(second);
        assert_eq!(
            (generations.current(7), generations.going_on().count()),
            (None, 0)
        );
        assert!(generations.take_ended(|key| key != second).is_empty());
        assert!(generations.get(second).is_some() && generations.remove(second).is_some());
        assert_eq!(generations.all().count(), 0);
    }
}
