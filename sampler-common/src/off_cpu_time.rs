// SPDX-License-Identifier: MIT OR Apache-2.0

//! Splits the time that a thread spent off CPU into sleep and waits for a CPU, by what the
//! kernel has counted of both.
//!
//! What a scan finds cannot tell: it comes later than its tick, because its own thread has
//! to wait for a CPU, too, and most of all on a machine on which others wait.

/// For how long a thread has been off CPU by the kernel's count, in nanoseconds from a
/// beginning that stays the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OffCpuTime {
    /// Neither running nor waiting for a CPU.
    pub asleep: u64,
    /// Waiting for a CPU.
    pub queued: u64,
}

/// What of a thread's time off CPU has been shared out so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OffCpuLedger {
    counted: OffCpuTime,
    /// What the kernel has counted less what was shared out, in nanoseconds. Negative
    /// while ticks stand for less time than the thread has run.
    asleep_left: i64,
    /// The same of its waits for a CPU.
    queued_left: i64,
}

impl OffCpuLedger {
    /// A ledger that begins when the kernel has counted `counted`.
    #[inline(always)]
    #[must_use]
    pub fn new(counted: OffCpuTime) -> Self {
        Self {
            counted,
            asleep_left: 0,
            queued_left: 0,
        }
    }

    /// Shares out `weight` nanoseconds, which ticks have left of the time since the time
    /// before, when the kernel has counted `counted`. A trace holds whole samples, so what is
    /// shared out are multiples of `period` nanoseconds, as far as `weight` is one.
    ///
    /// Over time both sums are those of the kernel, whichever share `weight` has by
    /// chance: what it lacks now is added later. What ticks are wrong by falls to what the
    /// thread did more of, so a thread that never sleeps is not shown asleep.
    #[inline(always)]
    pub fn share_out(&mut self, counted: OffCpuTime, (weight, period): (u64, u64)) -> OffCpuTime {
        // Both may go back a little: the CPU time of a running thread is not up to date.
        let asleep = counted.asleep.wrapping_sub(self.counted.asleep) as i64;
        let queued = counted.queued.wrapping_sub(self.counted.queued) as i64;
        self.counted = counted;
        self.asleep_left = self.asleep_left.wrapping_add(asleep);
        self.queued_left = self.queued_left.wrapping_add(queued);
        let shares = if asleep < queued {
            let asleep = whole_periods(self.asleep_left, weight, period);
            OffCpuTime {
                asleep,
                queued: weight - asleep,
            }
        } else {
            let queued = whole_periods(self.queued_left, weight, period);
            OffCpuTime {
                asleep: weight - queued,
                queued,
            }
        };
        self.asleep_left = self.asleep_left.wrapping_sub(shares.asleep as i64);
        self.queued_left = self.queued_left.wrapping_sub(shares.queued as i64);
        shares
    }
}

/// Returns the part of `weight` that is nearest to `left`, in whole units of `period`.
#[inline(always)]
fn whole_periods(left: i64, weight: u64, period: u64) -> u64 {
    if left <= 0 || period == 0 {
        return 0;
    }
    let half = period / 2;
    let part = (left as u64).saturating_add(half) / period * period;
    if part.saturating_add(half) >= weight {
        if part == 0 { 0 } else { weight }
    } else {
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 10_000_000;

    /// Returns what is shared out of rounds of `asleep` and `queued` nanoseconds in each
    /// period, if ticks hit as they do by chance.
    fn shared(rounds: u64, asleep: u64, queued: u64) -> OffCpuTime {
        let mut counted = OffCpuTime::default();
        let mut ledger = OffCpuLedger::new(counted);
        let mut sum = OffCpuTime::default();
        let mut random = 1_u64;
        for _ in 0..rounds {
            counted.asleep += asleep;
            counted.queued += queued;
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let is_off_cpu = (random >> 33) % PERIOD < asleep + queued;
            let weight = if is_off_cpu { PERIOD } else { 0 };
            let shares = ledger.share_out(counted, (weight, PERIOD));
            sum.asleep += shares.asleep;
            sum.queued += shares.queued;
        }
        sum
    }

    fn is_close(shown: u64, counted: u64, by: u64) -> bool {
        shown.abs_diff(counted) <= by
    }

    #[test]
    fn sums_are_those_of_the_kernel() {
        const ROUNDS: u64 = 10_000;
        for (asleep, queued) in [
            (6_000_000, 1_000_000),
            (1_000_000, 6_000_000),
            (2_000_000, 2_000_000),
            (500_000, 300_000),
            (9_900_000, 50_000),
        ] {
            let sum = shared(ROUNDS, asleep, queued);
            // By chance, ticks are wrong by 100 periods or so, which is more than one per
            // cent of a part only if it is small.
            let by_chance = 300 * PERIOD;
            let (larger, smaller) = if asleep < queued {
                ((sum.queued, queued), (sum.asleep, asleep))
            } else {
                ((sum.asleep, asleep), (sum.queued, queued))
            };
            let case = (asleep, queued, sum);
            assert!(is_close(larger.0, larger.1 * ROUNDS, by_chance), "{case:?}");
            let few = 40 * PERIOD;
            assert!(is_close(smaller.0, smaller.1 * ROUNDS, few), "{case:?}");
        }
    }

    #[test]
    fn a_thread_that_never_sleeps_is_not_shown_asleep() {
        let sum = shared(10_000, 0, 5_000_000);
        assert_eq!(sum.asleep, 0);
        assert!(
            is_close(sum.queued, 5_000 * PERIOD, 300 * PERIOD),
            "{sum:?}"
        );
        let sum = shared(10_000, 5_000_000, 0);
        assert_eq!(sum.queued, 0);
    }

    #[test]
    fn all_of_the_weight_is_shared_out_whatever_was_counted() {
        let mut ledger = OffCpuLedger::default();
        for (asleep, queued) in [(5, 9), (u64::MAX, 0), (3, u64::MAX / 2), (0, 0)] {
            for weight in [0, 1, PERIOD, u64::MAX / 4] {
                let shares = ledger.share_out(OffCpuTime { asleep, queued }, (weight, PERIOD));
                assert_eq!(shares.asleep + shares.queued, weight);
            }
        }
    }

    #[test]
    fn a_figure_that_goes_back_is_made_up_for() {
        let mut ledger = OffCpuLedger::default();
        let counted = |asleep, queued| OffCpuTime { asleep, queued };
        let period = 8;
        assert_eq!(ledger.share_out(counted(9, 0), (0, period)), counted(0, 0));
        // The thread had run for 4 of them, and now waits for a CPU.
        assert_eq!(ledger.share_out(counted(5, 3), (8, period)), counted(8, 0));
        assert_eq!(ledger.share_out(counted(5, 8), (5, period)), counted(0, 5));
    }

    #[test]
    fn a_scan_that_comes_late_is_shared_out_in_whole_periods() {
        let mut ledger = OffCpuLedger::default();
        let counted = |asleep, queued| OffCpuTime {
            asleep: asleep * PERIOD,
            queued: queued * PERIOD,
        };
        let shares = ledger.share_out(counted(70, 30), (100 * PERIOD, PERIOD));
        assert_eq!(shares, counted(70, 30));
        let shares = ledger.share_out(counted(90, 110), (100 * PERIOD + 7, PERIOD));
        assert_eq!(
            (shares.asleep, shares.queued),
            (20 * PERIOD, 80 * PERIOD + 7)
        );
    }
}
