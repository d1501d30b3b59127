//! The lives of processes that are followed, and which of them a process number
//! stands for now. It refuses to look at a process, and to know the kernel side's
//! table.

use std::collections::HashMap;

use rustc_hash::FxHashMap;
use sampler_common::process::ProcessKey;

use super::followed::FollowedProcess;

/// Every life that was not taken out.
#[derive(Default)]
pub(super) struct Lives {
    processes: FxHashMap<ProcessKey, FollowedProcess>,
    current: HashMap<u32, ProcessKey>,
}

impl Lives {
    /// A life has begun; another one of the same number is over.
    pub(super) fn begin(&mut self, process: FollowedProcess) {
        if let Some(before) = self.current.insert(process.tgid, process.key)
            && before != process.key
            && let Some(before) = self.processes.get_mut(&before)
        {
            before.has_ended = true;
        }
        self.processes.insert(process.key, process);
    }

    /// A life is over. Samples of it may still come.
    pub(super) fn end(&mut self, key: ProcessKey) {
        if let Some(process) = self.processes.get_mut(&key) {
            process.has_ended = true;
            if self.current.get(&process.tgid) == Some(&key) {
                self.current.remove(&process.tgid);
            }
        }
    }

    /// Forgets a life.
    pub(super) fn remove(&mut self, key: ProcessKey) -> Option<FollowedProcess> {
        let process = self.processes.remove(&key)?;
        if self.current.get(&process.tgid) == Some(&key) {
            self.current.remove(&process.tgid);
        }
        Some(process)
    }

    /// Takes those of the lives that are over out for which `is_over`.
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

    /// The life that the process `tgid` lives now.
    pub(super) fn current(&self, tgid: u32) -> Option<ProcessKey> {
        self.current.get(&tgid).copied()
    }

    /// The numbers of all processes that live.
    pub(super) fn tgids(&self) -> Vec<u32> {
        self.current.keys().copied().collect()
    }

    /// All of them, those that are over too.
    pub(super) fn all(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.processes.values()
    }

    /// Those that are over.
    pub(super) fn ended(&self) -> impl Iterator<Item = &FollowedProcess> {
        self.all().filter(|process| process.has_ended)
    }

    /// Those that are not over.
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
        // The news of the first one's end comes late, and ends no other.
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
