// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looks at followed processes until their interpreter is found or there clearly is none,
//! and later at those that have loaded code.

use std::time::{Duration, Instant};

use sampler_common::process::{ProcessConfig, ProcessKey, ProcessState};
use sampler_cpython::cpython::discovery::ProbeResult;
use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::cpython::instance::Instance;
use tracing::debug;

use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::pending::Look;
use crate::capture::targets::selection::Selection;
use crate::capture::targets::table::{SWEEP_FEW, SWEEP_HOST, SWEEP_SETTLED, Targets};

impl Targets {
    /// Makes the looks that are due, and a sweep if that is due.
    pub fn look_at_pending(&mut self, now: Instant) {
        while let Some(look) = self.pending.take_due(now) {
            self.look(look);
        }
        if self.sweep.is_due(now) {
            self.look_for_late_ones();
            self.compare_with_table();
            self.programs.expire(now);
            self.sweep.done(now, Instant::now(), self.sweep_every());
        }
    }

    pub(super) fn look(&mut self, mut look: Look) {
        let Some(process) = self.lives.get(look.key) else {
            return;
        };
        if process.has_ended {
            return self.had_no_python(&look);
        }
        if process.python.is_some() {
            return;
        }
        let tgid = process.tgid;
        let Some(started) = self.scout.start_time(tgid) else {
            self.had_no_python(&look);
            return self.give_up(look.key);
        };
        let ProbeResult {
            found,
            is_plain_program,
        } = self.scout.look(tgid);
        look.is_plain_program = is_plain_program;
        match found {
            Ok(instance) => {
                self.programs.had_python(look.program);
                self.start_sampling(look.key, instance, started);
            }
            Err(InspectError::NotPython { .. }) => {
                // On a busy machine the loader may not have mapped the library with
                // Python yet.
                if look.is_settled() && look.is_plain_program || look.is_last() {
                    self.programs.had_none(look.program, Instant::now());
                }
                if look.is_last() {
                    self.give_up(look.key);
                } else {
                    self.pending.again(look);
                }
            }
            Err(InspectError::Gone { .. }) => {
                self.had_no_python(&look);
                self.give_up(look.key);
            }
            Err(error) => {
                self.skipped.add(tgid, error);
                self.give_up(look.key);
            }
        }
    }

    /// Notes that a process has ended without Python, as far as it was looked at.
    pub(super) fn had_no_python(&mut self, look: &Look) {
        if look.is_plain_program {
            self.programs.had_none(look.program, Instant::now());
        }
    }

    pub(super) fn start_sampling(&mut self, key: ProcessKey, instance: Instance, started: u64) {
        let Some(process) = self.lives.get_mut(key) else {
            return;
        };
        let tgid = process.tgid;
        if self.table.get(tgid).is_some_and(|entry| entry.key != key) {
            // Another life has begun, and its record is on its way.
            return;
        }
        process.identify(&self.scout);
        let others = InspectError::of_others(tgid, &instance);
        let config = process.found(instance, &self.scout);
        self.skipped.take_back(tgid);
        if let Some(others) = others {
            self.skipped.add(tgid, others);
        }
        // The eBPF program counts a full table where it matters, at forks. Here the
        // process stays unsampled and shows no samples in the summary.
        if self.table.set(tgid, &config).is_ok() && !self.is_still(tgid, started) {
            self.lives.end(key);
        }
    }

    /// Looks at processes without Python that have loaded code since the last sweep, and,
    /// where processes of the whole host are followed, at those whose start went
    /// unnoticed.
    pub(super) fn look_for_late_ones(&mut self) {
        let wanted = match self.selection {
            Selection::Host | Selection::Chosen { .. } => None,
            Selection::Processes { .. } => {
                let alive = self.lives.going_on();
                let without = alive.filter(|it| it.python.is_none());
                Some(without.map(|it| it.tgid).collect::<Vec<_>>())
            }
        };
        if wanted.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let code = self.scout.mapped_code(wanted);
        for tgid in self.sweep.changed(&code) {
            let Some(key) = self.lives.current(tgid) else {
                self.find_one_if_wanted(tgid);
                continue;
            };
            let has_python = |it: &FollowedProcess| it.python.is_some();
            if self.lives.get(key).is_some_and(has_python) {
                continue;
            }
            if let Some(started) = self.scout.start_time(tgid)
                && let Ok(instance) = self.scout.inspect(tgid)
            {
                self.start_sampling(key, instance, started);
            }
        }
    }

    /// Gives up on a program without an interpreter: forgets it if nobody asked for it,
    /// and otherwise goes on following it for its children's sake.
    pub(super) fn give_up(&mut self, key: ProcessKey) {
        if let Some(process) = self.lives.get(key) {
            debug!(
                pid = process.tgid,
                "no Python found; not looked at any more"
            );
        }
        self.mark_plain(key);
        if let Selection::Processes { tgids, .. } = &self.selection {
            let tgid = self.lives.get(key).map(|process| process.tgid);
            if let Some(pid) = tgid.filter(|tgid| tgids.contains(tgid)) {
                self.skipped.add(pid, InspectError::NotPython { pid });
            }
            return;
        }
        let is_kin = |process: &FollowedProcess| process.is_kin;
        let is_chosen = matches!(self.selection, Selection::Chosen { .. });
        if is_chosen && self.lives.get(key).is_some_and(is_kin) {
            return;
        }
        if let Some(process) = self.lives.remove(key) {
            self.forget_entry(process.tgid, key);
        }
    }

    /// Marks the entry of a process without an interpreter: what it forks has none
    /// either, so records of that are not urgent.
    fn mark_plain(&mut self, key: ProcessKey) {
        let Some(process) = self.lives.get(key) else {
            return;
        };
        let is_followed = ProcessState::Followed as u32;
        let entry = self.table.get(process.tgid);
        if let Some(entry) = entry.filter(|it| it.key == key && it.state == is_followed) {
            let plain = ProcessConfig {
                state: ProcessState::Plain as u32,
                ..entry
            };
            // This fails if the process has ended.
            let _ = self.table.update(process.tgid, &plain);
        }
    }

    fn sweep_every(&self) -> Duration {
        match self.selection {
            Selection::Host | Selection::Chosen { .. } => SWEEP_HOST,
            Selection::Processes { .. } => {
                let mut alive = self.lives.going_on();
                if alive.any(|it| it.python.is_none()) {
                    SWEEP_FEW
                } else {
                    SWEEP_SETTLED
                }
            }
        }
    }

    /// Whether [`Self::look_at_pending`] has something to do.
    pub fn is_look_due(&self, now: Instant) -> bool {
        self.sweep.is_due(now) || self.next_look().is_some_and(|look| look <= now)
    }

    /// Returns when a process must be looked at next. Sweeps are left out: they wake
    /// nobody up, and are done when something else does.
    pub fn next_look(&self) -> Option<Instant> {
        self.pending.next()
    }
}
