//! Holds the processes that are known against the kernel side's table: news of
//! starts and ends can be lost. It refuses to act at first sight, since news may
//! just be on their way.

use std::collections::HashSet;

use sampler_common::process::ProcessKey;

use super::Targets;
use crate::scout::Scout;
use crate::targets::followed::FollowedProcess;

impl Targets {
    /// Holds what is known here against the kernel side's table and `/proc`: an
    /// event may have been lost, or an entry written when its process was ending.
    /// Nothing is done at first sight.
    pub(super) fn compare_with_table(&mut self) {
        let before = std::mem::take(&mut self.suspects);
        let in_table = self.table.tgids();
        let times = self.scout.start_times(in_table.clone());
        for tgid in &in_table {
            let Some(key) = self.entry_of(*tgid) else {
                continue;
            };
            let known = self.lives.get(key);
            let identity = known.and_then(|it| it.identity.as_ref());
            let began = identity.map_or(0, |it| it.start_time);
            let is_over = match times.get(tgid) {
                Some(Ok(now)) => {
                    began != 0 && *now != began || known.is_some_and(|it| it.has_ended)
                }
                Some(Err(error)) => error.is_gone(),
                None => false,
            };
            if is_over && before.contains(&(*tgid, key)) {
                self.remove_stale(*tgid, key);
                self.lives.end(key);
            } else if is_over {
                self.suspects.insert((*tgid, key));
            }
        }
        let in_table: HashSet<u32> = in_table.into_iter().collect();
        let missing: Vec<(u32, ProcessKey)> = self
            .lives
            .going_on()
            .filter(|it| it.python.is_some() && !in_table.contains(&it.tgid))
            .map(|it| (it.tgid, it.key))
            .collect();
        for suspect in missing {
            if before.contains(&suspect) {
                self.lives.end(suspect.1);
            } else {
                self.suspects.insert(suspect);
            }
        }
    }

    /// Some news of forks and ends were lost: finds out which processes have ended,
    /// and forgets what is counted of those that came and went unnoticed. Every
    /// record must have been taken.
    pub fn reconcile(&mut self) {
        let alive = self.table.keys();
        let is_over = |process: &&FollowedProcess| {
            // One whose program has just started need not be in the table yet.
            let is_waiting = process.python.is_none() && is_there(&self.scout, process);
            !alive.contains(&process.key) && !is_waiting
        };
        let over = self.lives.going_on().filter(is_over);
        let over: Vec<_> = over.map(|process| process.key).collect();
        for key in over {
            self.lives.end(key);
        }
        let is_unknown = |key: &ProcessKey| !alive.contains(key) && self.lives.get(*key).is_none();
        let unknown: HashSet<_> = self
            .table
            .accounts()
            .into_iter()
            .filter(is_unknown)
            .collect();
        // News of one that came and went just now may be on their way.
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
