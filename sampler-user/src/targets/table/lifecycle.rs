//! Acts on the kernel side's news of forks, new programs and ends. It refuses to
//! look for what no news tell: `compare` does.

use std::time::Instant;

use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord};
use sampler_common::process::ProcessKey;

use super::{Targets, random_key};
use crate::bpf::events::RawLifecycle;
use crate::targets::followed::FollowedProcess;

impl Targets {
    /// Acts on an event of the kernel side.
    pub fn on_lifecycle(&mut self, lifecycle: &RawLifecycle, now: Instant) {
        let record = &lifecycle.record;
        match lifecycle.event {
            LifecycleKind::Fork => {
                let child = match self.lives.get(record.parent_key) {
                    Some(parent) => parent.forked(record.key, record.tgid),
                    None => FollowedProcess::new(record.key, record.tgid),
                };
                if child.python.is_none() && !self.programs.is_plain(child.program) {
                    self.pending.add(record.key, child.program, now);
                }
                self.lives.begin(child);
            }
            LifecycleKind::Exec => self.on_exec(record, now),
            LifecycleKind::Exit => {
                self.lives.end(record.key);
                self.remove_stale(record.tgid, record.key);
            }
            // Its process goes on.
            LifecycleKind::ThreadExit => {}
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
        // What was written of the life before may have come after this one began.
        if was_followed {
            if self.entry_of(record.tgid) == Some(record.parent_key) {
                let config = FollowedProcess::unsampled_config(key);
                // It may have ended; then there is nothing to mend.
                let _ = self.table.update(record.tgid, &config);
            }
        } else if let Some(before) = self.lives.current(record.tgid) {
            self.remove_stale(record.tgid, before);
        }
        if !was_followed && !self.selection.wants(record.tgid, &self.scout) {
            return;
        }
        self.lives.end(record.parent_key);
        self.lives.begin(FollowedProcess {
            is_kin: was_followed,
            program: record.program,
            ..FollowedProcess::new(key, record.tgid)
        });
        if record.is_plain == 0 {
            self.pending.add(key, record.program, now);
        }
    }

    /// Which life of the process `tgid` the kernel side follows.
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
