// SPDX-License-Identifier: MIT OR Apache-2.0

//! Notices that the clock was set. What is kept is found by Unix time, and a chunk says only
//! once what time it is.

use sampler_trace::model::identifiers::KernelTime;

/// A clock that differs by less was corrected, not set, in microseconds.
const CORRECTION: u64 = 1_000_000;

/// The clock, beside the kernel's own, which nobody sets.
#[derive(Debug)]
pub(super) struct WallClock {
    kernel: KernelTime,
    unix_us: u64,
}

/// The clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockSet {
    /// What it would show otherwise, in microseconds of Unix time.
    pub(super) before_us: u64,
    /// What it shows.
    pub(super) now_us: u64,
}

impl WallClock {
    pub(super) fn new(kernel: KernelTime, unix_us: u64) -> Self {
        Self { kernel, unix_us }
    }

    /// Looks at both clocks. One that is corrected little by little is followed.
    pub(super) fn look(&mut self, kernel: KernelTime, unix_us: u64) -> Option<ClockSet> {
        let elapsed = kernel.since(self.kernel).as_micros();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let before_us = self.unix_us.saturating_add(elapsed);
        *self = Self::new(kernel, unix_us);
        (before_us.abs_diff(unix_us) >= CORRECTION).then_some(ClockSet {
            before_us,
            now_us: unix_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_step_is_noticed_once_and_a_correction_is_not() {
        let kernel = |seconds: u64| KernelTime(seconds * 1_000_000_000);
        let mut clock = WallClock::new(kernel(10), 1000 * SECOND);
        assert_eq!(clock.look(kernel(11), 1001 * SECOND), None);
        // An hour forward, and as much back.
        let set = |before, now| {
            Some(ClockSet {
                before_us: before * SECOND,
                now_us: now * SECOND,
            })
        };
        assert_eq!(clock.look(kernel(12), 4602 * SECOND), set(1002, 4602));
        assert_eq!(clock.look(kernel(13), 4603 * SECOND), None);
        assert_eq!(clock.look(kernel(14), 1004 * SECOND), set(4604, 1004));
        // A thousandth too fast for a day.
        let mut clock = WallClock::new(kernel(0), 0);
        for second in 1..86_400 {
            let unix_us = second * 1_001_000;
            assert_eq!(clock.look(kernel(second), unix_us), None);
        }
    }
}
