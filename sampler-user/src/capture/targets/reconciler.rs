// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compares the followed processes with the eBPF program's table, because records of starts
//! and ends can be lost. A sweep acts only on what it finds twice, because a record may
//! just be on its way.

use std::collections::HashSet;
use std::time::Instant;

use sampler_common::lifecycle::ProgramId;
use sampler_common::process::ProcessKey;
use sampler_cpython::process::proc_file::ProcessError;
use tracing::debug;

use crate::capture::process_inspector::ProcessInspector;
use crate::capture::targets::discovery::ProcessDiscovery;
use crate::capture::targets::followed::{FollowedProcess, random_key};
use crate::capture::targets::followed_set::FollowedSet;

/// What the last comparison did not expect.
#[derive(Default)]
pub(super) struct Reconciler {
    /// Entries of the table, or processes without one. A record that explains them may
    /// just have been on its way.
    suspects: HashSet<(u32, ProcessKey)>,
    /// Lives with an account that no record has announced.
    unknown: HashSet<ProcessKey>,
}

/// What an entry of the table belongs to.
enum Entry {
    /// A life that goes on.
    Known,
    /// A process that has ended.
    Over,
    /// A life that is over or unknown, of a process that still runs.
    Strange,
}

impl Reconciler {
    /// Compares what is known here with the eBPF program's table and `/proc`: a record
    /// may have been lost, or an entry written while its process was ending. What is
    /// found for the first time is only remembered.
    pub(super) fn compare(&mut self, followed: &mut FollowedSet, discovery: &mut ProcessDiscovery) {
        let before = std::mem::take(&mut self.suspects);
        let in_table = followed.table.tgids();
        let times = followed.inspector.start_times(in_table.clone());
        for tgid in &in_table {
            let Some(key) = followed.table.key_of(*tgid) else {
                continue;
            };
            let verdict = judge_entry(followed.generations.get(key), times.get(tgid));
            let is_confirmed = before.contains(&(*tgid, key));
            match verdict {
                // Both sides are written from here, so a difference can be corrected at
                // once.
                Entry::Known => followed.correct_entry(key),
                Entry::Over if is_confirmed => {
                    followed.table.remove_life(*tgid, key);
                    followed.generations.end(key);
                    find_successor(followed, discovery, *tgid);
                }
                Entry::Strange if is_confirmed => begin_anew(followed, discovery, (*tgid, key)),
                Entry::Over | Entry::Strange => {
                    self.suspects.insert((*tgid, key));
                }
            }
        }
        let in_table = in_table.into_iter().collect();
        self.end_missing(followed, discovery, (&before, &in_table));
    }

    /// Ends lives that have no entry in the table. A process that still runs is inspected
    /// again. `before` are the suspects of the last comparison.
    fn end_missing(
        &mut self,
        followed: &mut FollowedSet,
        discovery: &ProcessDiscovery,
        (before, in_table): (&HashSet<(u32, ProcessKey)>, &HashSet<u32>),
    ) {
        let missing = followed.generations.going_on();
        let missing = missing.filter(|it| !in_table.contains(&it.tgid));
        let began = |it: &FollowedProcess| it.identity.as_ref().map(|it| it.start_time);
        let missing: Vec<_> = missing
            .map(|it| {
                let began = began(it).filter(|time| *time != 0);
                (it.tgid, it.key, began, it.python.is_some())
            })
            .collect();
        for (tgid, key, began, has_python) in missing {
            // A program that has just started need not be in the table yet.
            if !has_python && !is_gone(&followed.inspector, tgid) {
                continue;
            }
            if !before.contains(&(tgid, key)) {
                self.suspects.insert((tgid, key));
                continue;
            }
            followed.generations.end(key);
            if began.is_some() && followed.inspector.start_time(tgid) == began {
                followed.follow_if_python(tgid);
            } else {
                find_successor(followed, discovery, tgid);
            }
        }
    }

    /// Finds out which processes have ended, after records of forks and ends were lost,
    /// and drops the accounts of those that came and went unnoticed. Every record must
    /// have been taken.
    pub(super) fn reconcile(
        &mut self,
        followed: &mut FollowedSet,
        discovery: &mut ProcessDiscovery,
    ) {
        debug!("lifecycle records were lost; processes are compared with /proc");
        let alive = followed.table.keys();
        let is_over = |process: &&FollowedProcess| {
            // A program that has just started need not be in the table yet.
            let is_waiting = process.python.is_none() && is_there(&followed.inspector, process);
            !alive.contains(&process.key) && !is_waiting
        };
        let over = followed.generations.going_on().filter(is_over);
        let over: Vec<_> = over.map(|process| process.key).collect();
        for key in over {
            followed.generations.end(key);
        }
        // The records of how these began were lost.
        for tgid in followed.table.tgids() {
            if let Some(key) = followed.table.key_of(tgid)
                && followed.generations.get(key).is_none_or(|it| it.has_ended)
            {
                begin_anew(followed, discovery, (tgid, key));
            }
        }
        let is_unknown =
            |key: &ProcessKey| !alive.contains(key) && followed.generations.get(*key).is_none();
        let accounts = followed.table.accounts().into_iter();
        let unknown: HashSet<_> = accounts.filter(is_unknown).collect();
        // Records of a process that came and went just now may still be on their way.
        for key in unknown.intersection(&self.unknown) {
            followed.table.close_account(*key);
        }
        self.unknown = unknown;
    }
}

/// Judges the entry of the life `known`, whose process started at `now` according to
/// `/proc`.
fn judge_entry(known: Option<&FollowedProcess>, now: Option<&Result<u64, ProcessError>>) -> Entry {
    let now = match now {
        Some(Ok(now)) => *now,
        Some(Err(error)) if error.is_gone() => return Entry::Over,
        // Nothing is known of the process.
        Some(Err(_)) | None => return Entry::Known,
    };
    let identity = known.and_then(|it| it.identity.as_ref());
    let began = identity.map_or(0, |it| it.start_time);
    if began != 0 && now != began {
        return Entry::Over;
    }
    match known {
        Some(known) if !known.has_ended => Entry::Known,
        Some(_) | None => Entry::Strange,
    }
}

/// Begins a new life of the process `tgid`, which runs although its entry is of a life
/// that has ended or that no record announced. Otherwise nobody would find out what it
/// runs.
fn begin_anew(
    followed: &mut FollowedSet,
    discovery: &mut ProcessDiscovery,
    (tgid, entry): (u32, ProcessKey),
) {
    debug!(
        pid = tgid,
        "the record of its start was lost; inspected again"
    );
    let key = match followed.generations.get(entry) {
        Some(_) => random_key(),
        None => entry,
    };
    let process = FollowedProcess {
        followed_by_inheritance: true,
        ..FollowedProcess::new(key, tgid)
    };
    // This fails if the process has ended.
    if followed.table.update(tgid, &process.config()) {
        followed.generations.begin(process);
        discovery.expect(key, ProgramId::UNKNOWN, Instant::now());
    }
}

/// Looks for the process that has the id `tgid` by now, if there is one: it was not
/// followed while the id had an entry. Does nothing for processes that were asked for by
/// id.
fn find_successor(followed: &mut FollowedSet, discovery: &ProcessDiscovery, tgid: u32) {
    if !discovery.is_by_process_id() {
        discovery.find_if_wanted(followed, tgid);
    }
}

fn is_gone(inspector: &ProcessInspector, tgid: u32) -> bool {
    let times = inspector.start_times(vec![tgid]);
    matches!(times.get(&tgid), Some(Err(error)) if error.is_gone())
}

/// Whether a process is still the one that was seen.
fn is_there(inspector: &ProcessInspector, process: &FollowedProcess) -> bool {
    let Some(now) = inspector.identity(process.tgid) else {
        return false;
    };
    let before = process.identity.as_ref();
    before.is_none_or(|before| before.start_time == now.start_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::bpf::processes::ProcessMap as _;
    use crate::capture::targets::fake_tables::{FakeProcessMap, FullNonPythonTable};
    use crate::capture::targets::target_scope::TargetScope;

    /// A process id that no process has.
    const NOBODY: u32 = u32::MAX;

    fn begin(map: &FakeProcessMap) -> (FollowedSet, ProcessDiscovery) {
        let scope = TargetScope::Processes {
            tgids: Vec::new(),
            with_children: false,
        };
        let programs = Box::new(FullNonPythonTable);
        let discovery = ProcessDiscovery::new(scope, programs, Instant::now());
        (FollowedSet::new(Box::new(map.clone())), discovery)
    }

    #[test]
    fn an_entry_of_a_process_that_is_gone_is_removed_at_the_second_look() {
        let mut map = FakeProcessMap::default();
        let (mut followed, mut discovery) = begin(&map);
        let mut reconciler = Reconciler::default();
        let key = followed.follow_without_python(NOBODY);
        let key = key.expect("there is room");
        reconciler.compare(&mut followed, &mut discovery);
        assert!(map.get(NOBODY).is_some(), "a record may be on its way");
        // A new life is not the one that was suspected.
        let other = FollowedProcess::unsampled_config(ProcessKey(5));
        map.set(NOBODY, &other).expect("there is room");
        reconciler.compare(&mut followed, &mut discovery);
        assert!(map.get(NOBODY).is_some(), "it is another life");
        reconciler.compare(&mut followed, &mut discovery);
        assert!(map.get(NOBODY).is_none());
        // The life of which the entry was overwritten has none, twice.
        for _ in 0..2 {
            reconciler.compare(&mut followed, &mut discovery);
        }
        let ended = followed.generations.get(key).map(|it| it.has_ended);
        assert_eq!(ended, Some(true));
    }

    #[test]
    fn an_entry_that_no_record_announced_begins_a_life_that_is_probed() {
        let own = std::process::id();
        let mut map = FakeProcessMap::default();
        let (mut followed, mut discovery) = begin(&map);
        let entry = FollowedProcess::unsampled_config(ProcessKey(5));
        map.set(own, &entry).expect("there is room");
        let mut reconciler = Reconciler::default();
        reconciler.compare(&mut followed, &mut discovery);
        assert!(followed.generations.get(ProcessKey(5)).is_none());
        assert!(discovery.next_probe().is_none());
        reconciler.compare(&mut followed, &mut discovery);
        assert_eq!(followed.generations.current(own), Some(ProcessKey(5)));
        assert!(discovery.next_probe().is_some());
    }

    #[test]
    fn accounts_of_those_that_came_and_went_unnoticed_are_dropped_at_the_second_look() {
        let map = FakeProcessMap::default();
        let (mut followed, mut discovery) = begin(&map);
        map.count(ProcessKey(5), Default::default());
        let mut reconciler = Reconciler::default();
        reconciler.reconcile(&mut followed, &mut discovery);
        assert_eq!(map.accounts(), [ProcessKey(5)]);
        reconciler.reconcile(&mut followed, &mut discovery);
        assert!(map.accounts().is_empty());
    }
}
