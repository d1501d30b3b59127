// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compares the known processes with the eBPF program's table, because records of starts
//! and ends can be lost. A sweep acts only on what it finds twice, because a record may
//! just be on its way.

use std::collections::HashSet;
use std::time::Instant;

use sampler_common::lifecycle::ProgramId;
use sampler_common::process::ProcessKey;
use sampler_cpython::process::proc_file::ProcessError;
use tracing::debug;

use crate::capture::scout::Scout;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::selection::Selection;
use crate::capture::targets::table::{Targets, random_key};

/// What an entry of the table belongs to.
enum Entry {
    /// A life that goes on.
    Known,
    /// A process that has ended.
    Over,
    /// A life that is over or unknown, of a process that still runs.
    Strange,
}

impl Targets {
    /// Compares what is known here with the eBPF program's table and `/proc`: a record
    /// may have been lost, or an entry written while its process was ending. What is
    /// found for the first time is only remembered.
    pub(super) fn compare_with_table(&mut self) {
        let before = std::mem::take(&mut self.suspects);
        let in_table = self.table.tgids();
        let times = self.scout.start_times(in_table.clone());
        for tgid in &in_table {
            let Some(key) = self.entry_of(*tgid) else {
                continue;
            };
            let verdict = self.judge_entry(key, times.get(tgid));
            let is_confirmed = before.contains(&(*tgid, key));
            match verdict {
                // Both sides are written from here, so a difference can be corrected at
                // once.
                Entry::Known => self.correct_entry(key),
                Entry::Over if is_confirmed => {
                    self.remove_stale(*tgid, key);
                    self.lives.end(key);
                    self.find_successor(*tgid);
                }
                Entry::Strange if is_confirmed => self.begin_anew(*tgid, key),
                Entry::Over | Entry::Strange => {
                    self.suspects.insert((*tgid, key));
                }
            }
        }
        self.look_for_missing(&before, &in_table.into_iter().collect());
    }

    /// Judges the entry `key`, whose process started at `now` according to `/proc`.
    fn judge_entry(&self, key: ProcessKey, now: Option<&Result<u64, ProcessError>>) -> Entry {
        let known = self.lives.get(key);
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

    /// Begins a new life of the process `tgid`, which runs although its entry is of a
    /// life that has ended or that no record announced. Otherwise nobody would find out
    /// what it runs.
    fn begin_anew(&mut self, tgid: u32, entry: ProcessKey) {
        debug!(
            pid = tgid,
            "the record of how it began was lost; looked at again"
        );
        let key = match self.lives.get(entry) {
            Some(_) => random_key(),
            None => entry,
        };
        let process = FollowedProcess {
            is_kin: true,
            ..FollowedProcess::new(key, tgid)
        };
        // This fails if the process has ended.
        if self.table.update(tgid, &process.config()).is_ok() {
            self.lives.begin(process);
            self.pending.add(key, ProgramId::UNKNOWN, Instant::now());
        }
    }

    /// Looks at the process that has the id `tgid` by now, if there is one: it was not
    /// looked at while the id had an entry. Does nothing for processes that were asked
    /// for by id.
    fn find_successor(&mut self, tgid: u32) {
        if !matches!(self.selection, Selection::Processes { .. }) {
            self.find_one_if_wanted(tgid);
        }
    }

    /// Ends lives that have no entry. A process that still runs is looked at again.
    fn look_for_missing(&mut self, before: &HashSet<(u32, ProcessKey)>, in_table: &HashSet<u32>) {
        let missing = self.lives.going_on();
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
            if !has_python && !self.is_gone(tgid) {
                continue;
            }
            if !before.contains(&(tgid, key)) {
                self.suspects.insert((tgid, key));
                continue;
            }
            self.lives.end(key);
            if began.is_some() && self.scout.start_time(tgid) == began {
                self.find_one(tgid);
            } else {
                self.find_successor(tgid);
            }
        }
    }

    fn is_gone(&self, tgid: u32) -> bool {
        let times = self.scout.start_times(vec![tgid]);
        matches!(times.get(&tgid), Some(Err(error)) if error.is_gone())
    }

    /// Finds out which processes have ended, after records of forks and ends were lost,
    /// and drops the accounts of those that came and went unnoticed. Every record must
    /// have been taken.
    pub fn reconcile(&mut self) {
        debug!("lifecycle records were lost; processes are compared with /proc");
        let alive = self.table.keys();
        let is_over = |process: &&FollowedProcess| {
            // A program that has just started need not be in the table yet.
            let is_waiting = process.python.is_none() && is_there(&self.scout, process);
            !alive.contains(&process.key) && !is_waiting
        };
        let over = self.lives.going_on().filter(is_over);
        let over: Vec<_> = over.map(|process| process.key).collect();
        for key in over {
            self.lives.end(key);
        }
        // The records of how these began were lost.
        for tgid in self.table.tgids() {
            if let Some(key) = self.entry_of(tgid)
                && self.lives.get(key).is_none_or(|it| it.has_ended)
            {
                self.begin_anew(tgid, key);
            }
        }
        let is_unknown = |key: &ProcessKey| !alive.contains(key) && self.lives.get(*key).is_none();
        let unknown: HashSet<_> = self
            .table
            .accounts()
            .into_iter()
            .filter(is_unknown)
            .collect();
        // Records of a process that came and went just now may still be on their way.
        for key in unknown.intersection(&self.unknown) {
            self.table.close_account(*key);
        }
        self.unknown = unknown;
    }
}

/// Whether a process is still the one that was seen.
fn is_there(scout: &Scout, process: &FollowedProcess) -> bool {
    let Some(now) = scout.identity(process.tgid) else {
        return false;
    };
    let before = process.identity.as_ref();
    before.is_none_or(|before| before.start_time == now.start_time)
}
