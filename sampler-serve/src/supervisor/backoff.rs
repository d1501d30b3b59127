// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long to wait before a process that has ended is started again.

use std::time::Duration;

/// The first pause.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);
/// A process that ran for this long did not fail for the same reason as before.
const RECOVERED: Duration = Duration::from_secs(60);

/// The pauses of one process. Each is twice as long as the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST }
    }
}

impl Backoff {
    /// Returns how long to wait after a process that had run for `lived` has ended.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= RECOVERED {
            self.next = SHORTEST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_until_it_runs_well() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..12).map(|_| backoff.after(Duration::ZERO)).collect();
        assert_eq!(pauses[..3], [100, 200, 400].map(Duration::from_millis));
        assert_eq!(pauses.last(), Some(&LONGEST));
        assert_eq!(backoff.after(RECOVERED), SHORTEST);
    }
}
