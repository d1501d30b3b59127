// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the running descendants of processes.

use std::collections::{BTreeMap, BTreeSet};

use crate::process::identity::running_pids;
use crate::process::proc_file::read_file;
use crate::process::stat::field;

/// The most bytes read of `stat`, which has some 350.
const MAX_STAT: u64 = 4096;

/// Returns the children of `pids`, their children and so on, without `pids` themselves,
/// as `/proc` shows them now.
#[must_use]
pub fn descendants(pids: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in running_pids().unwrap_or_default() {
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    below(pids, &children)
}

fn below(pids: &[u32], children: &BTreeMap<u32, Vec<u32>>) -> Vec<u32> {
    let mut seen: BTreeSet<u32> = pids.iter().copied().collect();
    let mut open: Vec<u32> = pids.to_vec();
    let mut found = Vec::new();
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if seen.insert(*child) {
                found.push(*child);
                open.push(*child);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Returns the parent of a process; `None` when the process is gone.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = read_file(pid, "stat", MAX_STAT).ok()?;
    parse_parent(&stat)
}

/// Reads the fourth field of proc_pid_stat(5).
fn parse_parent(stat: &[u8]) -> Option<u32> {
    field(stat, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_parent() {
        assert_eq!(parse_parent(b"7 (a) S 1 (b) S 42 7 7"), Some(42));
        assert_eq!(parse_parent(b"7 (sh) S 3 7 7 0"), Some(3));
        assert_eq!(parse_parent(b"7 (sh"), None);
        assert_eq!(parse_parent(b""), None);
    }

    #[test]
    fn all_generations_are_found_once() {
        let children = [(1, vec![2, 3]), (3, vec![4]), (4, vec![3]), (9, vec![8])];
        let children = children.into_iter().collect();
        assert_eq!(below(&[1], &children), [2, 3, 4]);
        assert_eq!(below(&[1, 3], &children), [2, 4]);
        assert_eq!(below(&[5], &children), [0; 0]);
    }

    #[test]
    fn this_process_is_its_parents_child() {
        let parent = parent_of(std::process::id()).expect("we run");
        assert!(descendants(&[parent]).contains(&std::process::id()));
    }
}
