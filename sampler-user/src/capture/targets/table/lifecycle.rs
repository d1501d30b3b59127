// SPDX-License-Identifier: MIT OR Apache-2.0

//! Acts on the eBPF program's records of forks, new programs and ends. What no record
//! reports is found by `compare`.

use std::time::Instant;

use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord};
use sampler_common::process::{ProcessConfig, ProcessKey};

use crate::capture::bpf::events::RawLifecycle;
use crate::capture::targets::followed::FollowedProcess;
use crate::capture::targets::table::{Targets, random_key};

impl Targets {
    /// Acts on a lifecycle record of the eBPF program.
    pub fn on_lifecycle(&mut self, lifecycle: &RawLifecycle, now: Instant) {
        let record = &lifecycle.record;
        match lifecycle.event {
            LifecycleKind::Fork => self.on_fork(record, now),
            LifecycleKind::Exec => self.on_exec(record, now),
            LifecycleKind::Exit => {
                self.lives.end(record.key);
                self.remove_stale(record.tgid, record.key);
                // The entry has another key if it was written while the process started a
                // program that ended before the record of its start was read.
                if self.entry_of(record.tgid).is_none()
                    && let Some(current) = self.lives.current(record.tgid)
                {
                    self.lives.end(current);
                }
            }
            // The process itself goes on.
            LifecycleKind::ThreadExit => {}
        }
    }

    /// Begins the life of a child. The eBPF program has given it a copy of its parent's
    /// entry as of the fork; what was found out about the parent since then is added.
    fn on_fork(&mut self, record: &LifecycleRecord, now: Instant) {
        if let Some(known) = self.lives.get_mut(record.key) {
            // It was found before its record came.
            known.is_kin = true;
            return;
        }
        let parent = self.lives.get(record.parent_key);
        // A parent that runs another program by now may have had the entry of the
        // previous one when it forked. Its child is looked at like a new process.
        let parent = parent.filter(|it| it.tgid == record.parent_tgid && !it.has_ended);
        let child = match parent {
            Some(parent) => parent.forked(record.key, record.tgid),
            None => FollowedProcess {
                is_kin: true,
                ..FollowedProcess::new(record.key, record.tgid)
            },
        };
        if child.python.is_none() && !self.programs.is_plain(child.program) {
            self.pending.add(record.key, child.program, now);
        }
        self.lives.begin(child);
        self.correct_entry(record.key);
    }

    /// Writes what is known of a life if the eBPF program's table has something else.
    pub(super) fn correct_entry(&mut self, key: ProcessKey) {
        let Some(process) = self.lives.get(key).filter(|it| !it.has_ended) else {
            return;
        };
        let entry = self.table.get(process.tgid);
        let is_wrong = |entry: ProcessConfig| entry.key == key && !process.agrees_with(&entry);
        if entry.is_some_and(is_wrong) {
            // This fails if the process has ended; then there is nothing to correct. If
            // it started another program a moment ago, the record of that corrects the
            // entry.
            let _ = self.table.update(process.tgid, &process.config());
        }
    }

    fn on_exec(&mut self, record: &LifecycleRecord, now: Instant) {
        if record.tgid == std::process::id() {
            return;
        }
        let was_followed = record.key != ProcessKey(0);
        let key = if was_followed {
            record.key
        } else {
            random_key()
        };
        // An entry for the previous life may have been written after this one began.
        if was_followed {
            if self.entry_of(record.tgid) == Some(record.parent_key) {
                let config = FollowedProcess::unsampled_config(key);
                // This fails if the process has ended; then there is nothing to correct.
                let _ = self.table.update(record.tgid, &config);
            }
        } else if let Some(before) = self.lives.current(record.tgid) {
            self.remove_stale(record.tgid, before);
        }
        if !was_followed && !self.selection.wants(record.tgid, &self.scout) {
            return;
        }
        let before = self.lives.get(record.parent_key);
        if before.is_some_and(|it| it.tgid == record.tgid) {
            self.lives.end(record.parent_key);
        }
        self.lives.begin(FollowedProcess {
            is_kin: was_followed,
            program: record.program,
            ..FollowedProcess::new(key, record.tgid)
        });
        if record.is_plain == 0 {
            self.pending.add(key, record.program, now);
        }
    }

    /// Returns the life of the process `tgid` that the eBPF program follows.
    pub(super) fn entry_of(&self, tgid: u32) -> Option<ProcessKey> {
        self.table.get(tgid).map(|config| config.key)
    }

    /// Removes the entry of a life that is over.
    pub(super) fn remove_stale(&mut self, tgid: u32, key: ProcessKey) {
        if self.entry_of(tgid) == Some(key) {
            self.table.remove(tgid);
        }
    }
}
