// SPDX-License-Identifier: MIT OR Apache-2.0

//! Notices processes that have loaded code since they were last inspected: a program may
//! load Python long after its start, and the kernel reports no such event. Sweeps take
//! only a small share of the time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Sweeps take at most one part in `SHARE` of the time.
const SHARE: u32 = 500;

/// When to sweep, and what the last sweep saw.
pub(super) struct Sweep {
    next: Instant,
    /// KiB of code that is mapped, by thread group id.
    seen: HashMap<u32, u64>,
}

impl Sweep {
    /// Creates a schedule with the first sweep at `first`.
    pub(super) fn new(first: Instant) -> Self {
        Self {
            next: first,
            seen: HashMap::new(),
        }
    }

    /// Whether a sweep is due at `now`.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Ends a sweep that began at `began` and is over at `now`. The next one comes after
    /// `every`, or later if there are very many processes.
    pub(super) fn done(&mut self, began: Instant, now: Instant, every: Duration) {
        let took = now.saturating_duration_since(began);
        self.next = now + every.max(took.saturating_mul(SHARE));
    }

    /// Returns the processes that have other code than in the last sweep, or were not in
    /// it. Processes that are not in `code` are forgotten.
    pub(super) fn changed(&mut self, code: &[(u32, Option<u64>)]) -> Vec<u32> {
        let before = std::mem::take(&mut self.seen);
        let changed = code.iter().filter(|(tgid, code)| {
            if let Some(code) = before.get(tgid) {
                self.seen.insert(*tgid, *code);
            }
            self.has_loaded(*tgid, *code)
        });
        changed.map(|(tgid, _)| *tgid).collect()
    }

    fn has_loaded(&mut self, tgid: u32, code: Option<u64>) -> bool {
        match code {
            Some(code) => self.seen.insert(tgid, code) != Some(code),
            None => {
                self.seen.remove(&tgid);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_or_has_grown_is_looked_at() {
        let mut sweep = Sweep::new(Instant::now());
        assert!(sweep.has_loaded(7, Some(100)));
        assert!(!sweep.has_loaded(7, Some(100)));
        assert!(sweep.has_loaded(7, Some(4000)));
        assert!(!sweep.has_loaded(7, None), "it is gone");
        assert!(sweep.has_loaded(7, Some(4000)), "another one");
        assert_eq!(sweep.changed(&[(8, Some(1)), (9, None)]), [8]);
        assert_eq!(sweep.changed(&[(8, Some(1))]), [0; 0]);
        assert_eq!(sweep.seen.len(), 1);
    }

    #[test]
    fn a_slow_sweep_is_repeated_more_rarely() {
        let start = Instant::now();
        let every = Duration::from_secs(1);
        let mut sweep = Sweep::new(start + every);
        assert!(!sweep.is_due(start) && sweep.is_due(start + every));
        let end = start + Duration::from_millis(20);
        sweep.done(start, end, every);
        assert!(!sweep.is_due(end + Duration::from_secs(9)));
        assert!(sweep.is_due(end + Duration::from_secs(10)));
    }
}
