// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which ticks of a CPU's two clocks count.
//!
//! A clock is opened with the interval up to its first tick, and gets its own period when that
//! tick has come. If user space is held up there, because the host has no CPU left or
//! its cgroup is throttled, the clock repeats the first interval, which can be much shorter.
//! Each period counts once, whatever the interval.

use bytemuck::{Pod, Zeroable};

/// The clocks of one CPU. Zeroed, it knows of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CpuClocks {
    clocks: [Clock; 2],
    /// The place of the clock that was heard of first.
    oldest: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Clock {
    /// Nanoseconds; 0 for no clock.
    period: u64,
    /// When its next tick is due: `CLOCK_MONOTONIC` in nanoseconds.
    due: u64,
}

impl CpuClocks {
    /// Takes in a tick at `time` (`CLOCK_MONOTONIC` in nanoseconds) of the clock with this
    /// period. Returns whether it counts.
    #[inline(always)]
    pub fn counts(&mut self, period: u64, time: u64) -> bool {
        let [one, other] = &mut self.clocks;
        if one.period == period {
            return one.counts(time);
        }
        if other.period == period {
            return other.counts(time);
        }
        let new = Clock {
            period,
            due: time.wrapping_add(period),
        };
        if self.oldest == 0 {
            *one = new;
        } else {
            *other = new;
        }
        self.oldest ^= 1;
        true
    }
}

impl Clock {
    #[inline(always)]
    fn counts(&mut self, time: u64) -> bool {
        // A tick that is late makes those after it look early.
        let until_due = self.due.wrapping_sub(time) as i64;
        if until_due > (self.period / 2) as i64 {
            return false;
        }
        self.due = self.due.wrapping_add(self.period);
        let late = time.wrapping_sub(self.due) as i64;
        // It does not tick while its CPU is idle.
        if late >= 0 && self.period != 0 {
            let periods = late as u64 / self.period + 1;
            self.due = self.due.wrapping_add(periods.wrapping_mul(self.period));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 1000;
    const OTHER: u64 = 1100;

    fn counted(times: impl IntoIterator<Item = u64>) -> usize {
        let mut clocks = CpuClocks::default();
        let times = times.into_iter();
        times.filter(|time| clocks.counts(PERIOD, *time)).count()
    }

    #[test]
    fn every_tick_of_a_clock_with_its_own_period_counts() {
        for shift in [0, 1, 300, 499, 500, 501, 999] {
            // The second tick comes a period after the clock got its own.
            let ticks = [5000].into_iter();
            let ticks = ticks.chain((0..100).map(|number| 6000 + shift + number * PERIOD));
            assert_eq!(counted(ticks), 101, "{shift}");
        }
    }

    #[test]
    fn ticks_of_a_first_interval_that_is_repeated_count_once_a_period() {
        for interval in [32, 100, 333, 500, 999] {
            let ticks = (1..).map(|number| number * interval);
            let counted = counted(ticks.take_while(|time| *time <= 50 * PERIOD)) as u64;
            assert!(counted.abs_diff(50) <= 1, "{interval}: {counted}");
        }
    }

    #[test]
    fn no_tick_is_taken_for_one_too_many_because_others_came_late() {
        // A deviation from the period, of either sign, that does not add up.
        let late = |number: u64| number * 7919 % 400;
        let ticks = (0..1000).map(|number| 5000 + number * PERIOD + late(number));
        assert_eq!(counted(ticks), 1000);
    }

    #[test]
    fn the_first_tick_after_an_idle_time_counts_and_no_more_than_that() {
        let ticks = [5000, 6000, 950_000, 950_100, 951_000, 952_000];
        assert_eq!(counted(ticks), 5);
    }

    #[test]
    fn two_clocks_count_by_themselves_and_give_way_to_two_others() {
        let mut clocks = CpuClocks::default();
        for (period, time, counts) in [
            (PERIOD, 5000, true),
            (OTHER, 5010, true),
            (PERIOD, 5100, false),
            (OTHER, 5110, false),
            (PERIOD, 6000, true),
            (OTHER, 6110, true),
            // The rate is changed.
            (70, 6120, true),
            (OTHER, 6130, false),
            (80, 6140, true),
            (70, 6150, false),
            (70, 6190, true),
            (80, 6220, true),
        ] {
            assert_eq!(clocks.counts(period, time), counts, "{period} {time}");
        }
    }
}
