// SPDX-License-Identifier: MIT OR Apache-2.0

//! Acts on the eBPF program's records of forks, new programs and ends. What no record
//! reports is found by `reconciler`.

use std::time::Instant;

use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord};
use sampler_common::process::ProcessKey;

use crate::capture::bpf::events::RawLifecycle;
use crate::capture::targets::discovery::ProcessDiscovery;
use crate::capture::targets::followed::{FollowedProcess, random_key};
use crate::capture::targets::followed_set::FollowedSet;

/// What lifecycle records change.
pub(super) struct LifecycleEvents<'a> {
    pub(super) followed: &'a mut FollowedSet,
    pub(super) discovery: &'a mut ProcessDiscovery,
}

impl LifecycleEvents<'_> {
    /// Acts on a lifecycle record of the eBPF program.
    pub(super) fn take(&mut self, lifecycle: &RawLifecycle, now: Instant) {
        let record = &lifecycle.record;
        match lifecycle.event {
            LifecycleKind::Fork => self.fork(record, now),
            LifecycleKind::Exec => self.exec(record, now),
            LifecycleKind::Exit => self.exit(record),
            // The process itself goes on.
            LifecycleKind::ThreadExit => {}
        }
    }

    /// Begins the life of a child. The eBPF program has given it a copy of its parent's
    /// entry as of the fork; what was found out about the parent since then is added.
    fn fork(&mut self, record: &LifecycleRecord, now: Instant) {
        let generations = &mut self.followed.generations;
        if let Some(known) = generations.get_mut(record.key) {
            // It was found before its record came.
            known.followed_by_inheritance = true;
            return;
        }
        let parent = generations.get(record.parent_key);
        // A parent that runs another program by now may have had the entry of the
        // previous one when it forked. Its child is probed like a new process.
        let parent = parent.filter(|it| it.tgid == record.parent_tgid && !it.has_ended);
        let child = match parent {
            Some(parent) => parent.forked(record.key, record.tgid),
            None => FollowedProcess {
                followed_by_inheritance: true,
                ..FollowedProcess::new(record.key, record.tgid)
            },
        };
        if child.python.is_none() && !self.discovery.is_non_python(child.program) {
            self.discovery.expect(record.key, child.program, now);
        }
        generations.begin(child);
        self.followed.correct_entry(record.key);
    }

    fn exec(&mut self, record: &LifecycleRecord, now: Instant) {
        if record.tgid == std::process::id() {
            return;
        }
        let FollowedSet {
            inspector,
            generations,
            table,
            ..
        } = &mut *self.followed;
        let was_followed = record.key != ProcessKey(0);
        let key = if was_followed {
            record.key
        } else {
            random_key()
        };
        // An entry for the previous life may have been written after this one began.
        if was_followed {
            if table.key_of(record.tgid) == Some(record.parent_key) {
                let config = FollowedProcess::unsampled_config(key);
                // This fails if the process has ended; then there is nothing to correct.
                table.update(record.tgid, &config);
            }
        } else if let Some(before) = generations.current(record.tgid) {
            table.remove_life(record.tgid, before);
        }
        if !was_followed && !self.discovery.wants(record.tgid, inspector) {
            return;
        }
        let before = generations.get(record.parent_key);
        if before.is_some_and(|it| it.tgid == record.tgid) {
            generations.end(record.parent_key);
        }
        generations.begin(FollowedProcess {
            followed_by_inheritance: was_followed,
            program: record.program,
            ..FollowedProcess::new(key, record.tgid)
        });
        if record.is_non_python == 0 {
            self.discovery.expect(key, record.program, now);
        }
    }

    fn exit(&mut self, record: &LifecycleRecord) {
        let FollowedSet {
            generations, table, ..
        } = &mut *self.followed;
        generations.end(record.key);
        table.remove_life(record.tgid, record.key);
        // The entry has another key if it was written while the process started a program
        // that ended before the record of its start was read.
        if table.key_of(record.tgid).is_none()
            && let Some(current) = generations.current(record.tgid)
        {
            generations.end(current);
        }
    }
}
