//! Processes that have Python, or might have, and cannot be sampled, each with
//! the last reason. It refuses to grow without bound.

use std::collections::{BTreeMap, HashSet};

use crate::cpython::refusal::Refusal;

/// Most processes that are named; a host can start thousands of a kind.
const MAX_NAMED: usize = 256;

/// The refused processes.
#[derive(Default)]
pub struct Refusals {
    by_process: BTreeMap<u32, Refusal>,
    unnamed: u64,
    hidden: HashSet<u32>,
}

impl Refusals {
    /// The process `tgid` cannot be sampled.
    pub(super) fn add(&mut self, tgid: u32, refusal: Refusal) {
        if self.by_process.len() >= MAX_NAMED && !self.by_process.contains_key(&tgid) {
            self.unnamed += 1;
        } else {
            self.by_process.insert(tgid, refusal);
        }
    }

    /// We may not look at the process `tgid`; most such have no Python.
    pub(super) fn hide(&mut self, tgid: u32) {
        self.hidden.insert(tgid);
    }

    /// It can, after all.
    pub(super) fn take_back(&mut self, tgid: u32) {
        self.by_process.remove(&tgid);
    }

    pub(super) fn is_refused(&self, tgid: u32) -> bool {
        self.by_process.contains_key(&tgid)
    }

    /// The reasons, by process.
    pub fn reasons(&self) -> impl Iterator<Item = &Refusal> {
        self.by_process.values()
    }

    /// How many processes of the host we may not look at.
    pub fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// How many others there were.
    pub fn unnamed(&self) -> u64 {
        self.unnamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_and_counts_the_rest() {
        let mut refusals = Refusals::default();
        for pid in 0..1000 {
            refusals.add(pid, Refusal::NotPython { pid });
            refusals.add(pid, Refusal::Gone { pid });
        }
        assert_eq!(refusals.reasons().count(), MAX_NAMED);
        assert!(refusals.unnamed() >= 744);
        assert!(refusals.is_refused(7));
        refusals.take_back(7);
        assert!(!refusals.is_refused(7));
    }
}
