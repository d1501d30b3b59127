// SPDX-License-Identifier: MIT OR Apache-2.0

//! Learns from running interpreters what makes their samples cheaper: at the first
//! samples of a process, then ever more rarely.

use std::collections::HashMap;

use sampler_common::process::ProcessKey;
use sampler_cpython::cpython::inspect_error::InspectError;

use crate::capture::targets::followed_set::FollowedSet;

/// How often learning is tried, as a power of two: threads must exist, and with one
/// thread two places can look alike.
const ATTEMPTS: u32 = 8;

/// How often learning was tried.
#[derive(Default)]
pub(super) struct Learning {
    attempts: HashMap<ProcessKey, u32>,
    /// How many samples hit threads without Python, by process with Python.
    without_python: HashMap<ProcessKey, u32>,
}

impl Learning {
    /// Forgets a life that is over.
    pub(super) fn forget(&mut self, key: ProcessKey) {
        self.attempts.remove(&key);
        self.without_python.remove(&key);
    }

    /// Notes that a thread without Python was sampled, and checks whether another
    /// interpreter runs in the process by now, to which the thread may belong.
    pub(super) fn look_for_others(&mut self, followed: &mut FollowedSet, key: ProcessKey) {
        let Some(process) = followed.generations.get(key) else {
            return;
        };
        let tgid = process.tgid;
        let is_due = is_due(self.without_python.entry(key).or_default());
        if process.has_ended || !is_due || followed.skipped.is_skipped(tgid) {
            return;
        }
        if let Ok(instance) = followed.inspector.inspect(tgid)
            && let Some(others) = InspectError::of_others(tgid, &instance)
        {
            followed.skipped.add(tgid, others);
        }
    }

    /// Learns what makes samples of a process cheaper and what only a running interpreter
    /// shows: for example the thread-local variable that spares a search through its
    /// threads (3.15), and that it counts its code objects (3.12, 3.13).
    pub(super) fn improve(&mut self, followed: &mut FollowedSet, key: ProcessKey) {
        let Some(process) = followed.generations.get_mut(key) else {
            return;
        };
        let Some(python) = &mut process.python else {
            return;
        };
        let instance = &python.instance;
        let lacks_slot =
            instance.lacks_tls_offset() || instance.lacks_code_type() || instance.lacks_c_library();
        let lacks_count = instance.lacks_code_count();
        let is_outdated = !lacks_count && python.has_outdated_count();
        if process.has_ended || !lacks_slot && !lacks_count && !is_outdated {
            return;
        }
        if !is_due(self.attempts.entry(key).or_default()) {
            return;
        }
        let has_learnt = followed.inspector.learn(process.tgid, &mut python.instance);
        if has_learnt || is_outdated {
            python.update_config();
            // This fails if the process has ended; then there is nothing to improve.
            followed.table.update(process.tgid, &process.config());
        }
    }
}

/// Counts an occasion to learn. Returns whether it is to be used: the first ones are, then
/// ever fewer.
fn is_due(occasions: &mut u32) -> bool {
    *occasions = occasions.saturating_add(1);
    occasions.is_power_of_two() && *occasions <= 1 << ATTEMPTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_nine_times_however_many_samples_there_are() {
        let mut occasions = 0;
        let tried = (1..10_000).filter(|_| is_due(&mut occasions));
        assert_eq!(
            tried.collect::<Vec<_>>(),
            [1, 2, 4, 8, 16, 32, 64, 128, 256]
        );
        occasions = u32::MAX;
        assert!(!is_due(&mut occasions));
    }
}
