// SPDX-License-Identifier: MIT OR Apache-2.0

//! The lives of followed processes, and which of them each process id means now.

use std::collections::HashMap;

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;
use tracing::trace;

use crate::capture::targets::followed::FollowedProcess;

/// All lives that were not removed.
#[derive(Default)]
pub(super) struct Lives {
    processes: FxHashMap<ProcessKey, FollowedProcess>,
    current: HashMap<u32, ProcessKey>,
}

impl Lives {
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
        let mut lives = Lives::default();
        let (first, second) = (ProcessKey(1), ProcessKey(2));
        lives.begin(FollowedProcess::new(first, 7));
        lives.begin(FollowedProcess::new(second, 7));
        assert_eq!(lives.current(7), Some(second));
        let ended: Vec<_> = lives.ended().map(|it| it.key).collect();
        assert_eq!(ended, [first]);
        // The record of the first life's end comes late and must not end the second.
        lives.end(first);
        assert_eq!(lives.current(7), Some(second));
        assert_eq!(lives.take_ended(|_| true).len(), 1);
        lives.end(second);
        assert_eq!((lives.current(7), lives.going_on().count()), (None, 0));
        assert!(lives.take_ended(|key| key != second).is_empty());
        assert!(lives.get(second).is_some() && lives.remove(second).is_some());
        assert_eq!(lives.all().count(), 0);
    }
}
