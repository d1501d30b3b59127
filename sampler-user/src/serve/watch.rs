// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is known to find reasons for marks that nobody asks for.

use std::time::{Duration, Instant};

use crate::cli::config::serve::ServeConfig;
use crate::serve::conditions::Conditions;
use crate::serve::mark_limit::MarkLimit;
use crate::serve::stall::Stalls;

/// How long there may be no scan of waiting threads; at the lowest rate there is one a
/// second.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What sets marks.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) conditions: Conditions,
    pub(super) stalls: Option<Stalls>,
    pub(super) sight: Sight,
    pub(super) limit: MarkLimit,
    /// Marks that could not be written.
    pub(super) failed: u64,
    /// Looks at processes that had no answer in time.
    pub(super) unanswered: u64,
    /// When the next look is due.
    pub(super) next: Instant,
}

/// Whether threads that move are seen.
#[derive(Debug)]
pub(super) struct Sight {
    /// Scans that were run, and when their number was another one.
    scans: (u64, Instant),
    /// Samples that were lost.
    lost: u64,
}

impl Watch {
    pub(super) fn new(config: &ServeConfig, now: Instant) -> Self {
        Self {
            conditions: Conditions::new(&config.conditions),
            stalls: config.stall.map(Stalls::new),
            sight: Sight {
                scans: (0, now),
                lost: 0,
            },
            limit: MarkLimit::default(),
            failed: 0,
            unanswered: 0,
            next: now,
        }
    }

    /// Returns what became of marks, by names of counters.
    pub(super) fn counts(&self) -> [(&'static str, u64); 4] {
        let usual = self.stalls.as_ref().map_or(0, Stalls::usual);
        [
            ("stalls_usual", usual),
            ("marks_left_out", self.limit.left_out()),
            ("marks_not_written", self.failed),
            ("looks_unanswered", self.unanswered),
        ]
    }

    /// Returns what is wrong, in sentences for users.
    pub(super) fn problems(&self) -> Vec<String> {
        self.limit.problem(Instant::now()).into_iter().collect()
    }
}

impl Sight {
    /// Whether threads that have moved since the last look were seen: scans go on, and no
    /// sample was lost.
    pub(super) fn is_clear(&mut self, now: Instant, scans: u64, lost: u64) -> bool {
        if self.scans.0 != scans {
            self.scans = (scans, now);
        }
        let has_lost = lost != self.lost;
        self.lost = lost;
        !has_lost && now.duration_since(self.scans.1) < LONGEST_PAUSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_seen_without_scans_or_with_losses() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sight = Sight {
            scans: (0, start),
            lost: 0,
        };
        assert!(sight.is_clear(at(1), 10, 0));
        assert!(!sight.is_clear(at(2), 20, 3));
        assert!(sight.is_clear(at(3), 30, 3));
        assert!(!sight.is_clear(at(9), 30, 3));
        assert!(sight.is_clear(at(10), 31, 3));
    }
}
