// SPDX-License-Identifier: MIT OR Apache-2.0

//! Places chunks one after the other on the clock of the first one.

use std::time::Duration;

use crate::container::info::TraceInfo;
use crate::model::identifiers::KernelTime;

/// How far two clocks may drift apart between two chunks of one run of the kernel, in
/// nanoseconds, where neither chunk says which run it is from.
const DRIFT: i128 = 1_000_000_000;
/// A chunk that lies further than this after the one before has a clock that is wrong.
const LONGEST_GAP: i128 = 10 * 366 * 86_400 * 1_000_000_000;

/// The clock of a joined trace.
#[derive(Debug, Default)]
pub(super) struct JoinClock {
    first: Option<Start>,
    last: Option<Last>,
}

/// When a chunk began, by its own clocks.
#[derive(Clone, Debug)]
struct Start {
    boot: String,
    start: KernelTime,
    unix_us: u64,
}

#[derive(Clone, Debug)]
struct Last {
    start: Start,
    shift: i128,
}

/// Where a chunk lies on the joined clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// When it begins.
    pub(super) start: KernelTime,
    /// What is added to its own times.
    shift: i128,
    /// Whether it was recorded by the same run of the kernel as the one before.
    pub(super) is_same_boot: bool,
    /// Whether it begins where the one before ends.
    pub(super) is_next: bool,
}

impl Place {
    /// Returns a time of the chunk on the joined clock.
    pub(super) fn joined(&self, time: KernelTime) -> KernelTime {
        clamped(i128::from(time.0) + self.shift).max(self.start)
    }

    /// Returns the time of a chunk at a Unix time, which may lie before the chunk.
    pub(super) fn at_unix(&self, info: &TraceInfo, unix_us: u64) -> KernelTime {
        let since = (i128::from(unix_us) - i128::from(info.unix_start_us)) * 1000;
        clamped(i128::from(self.start.0) + since)
    }
}

fn clamped(time: i128) -> KernelTime {
    KernelTime(u64::try_from(time.max(0)).unwrap_or(u64::MAX))
}

impl JoinClock {
    /// Places a chunk with this header after the chunk before, which ended at `end`.
    ///
    /// Chunks of one run of the kernel are placed by its clock, others by Unix time. One
    /// that would lie before the end of what came before begins there.
    pub(super) fn place(&mut self, info: &TraceInfo, end: KernelTime) -> Place {
        let own = Start {
            boot: info.boot.clone(),
            start: info.start,
            unix_us: info.unix_start_us,
        };
        let first = self.first.get_or_insert_with(|| own.clone());
        let place = match &self.last {
            None => Place {
                start: info.start,
                shift: 0,
                is_same_boot: false,
                is_next: false,
            },
            Some(last) => {
                let is_same_boot = last.start.is_same_boot(&own);
                let wanted = if is_same_boot {
                    i128::from(own.start.0) + last.shift
                } else {
                    let since = i128::from(own.unix_us) - i128::from(first.unix_us);
                    i128::from(first.start.0) + since * 1000
                };
                let end_is = i128::from(end.0);
                let is_plausible = wanted >= end_is && wanted - end_is <= LONGEST_GAP;
                let start = clamped(if is_plausible { wanted } else { end_is });
                Place {
                    start,
                    shift: i128::from(start.0) - i128::from(own.start.0),
                    is_same_boot,
                    is_next: is_same_boot && wanted == end_is,
                }
            }
        };
        self.last = Some(Last {
            start: own,
            shift: place.shift,
        });
        place
    }
}

impl Start {
    fn is_same_boot(&self, later: &Self) -> bool {
        if !self.boot.is_empty() || !later.boot.is_empty() {
            return self.boot == later.boot;
        }
        let by_kernel = i128::from(later.start.0) - i128::from(self.start.0);
        let by_unix = (i128::from(later.unix_us) - i128::from(self.unix_us)) * 1000;
        by_kernel >= 0 && (by_kernel - by_unix).abs() <= DRIFT
    }
}

/// The longest difference between two ways to tell the same time from the clocks of two
/// chunks, if neither was set in between.
pub(super) const SLEW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn info(boot: &str, start: u64, unix_us: u64) -> TraceInfo {
        TraceInfo {
            boot: boot.into(),
            start: KernelTime(start),
            unix_start_us: unix_us,
            ..TraceInfo::default()
        }
    }

    const SECOND: u64 = 1_000_000_000;

    /// Places two chunks, of which the first lasts for ten seconds.
    fn second(first: &TraceInfo, second: &TraceInfo) -> Place {
        let mut clock = JoinClock::default();
        let place = clock.place(first, KernelTime(0));
        let end = place.joined(KernelTime(first.start.0 + 10 * SECOND));
        clock.place(second, end)
    }

    #[test]
    fn one_run_of_the_kernel_counts_by_its_own_clock() {
        let first = info("a", 100 * SECOND, 5_000_000);
        let next = second(&first, &info("a", 110 * SECOND, 15_000_003));
        assert!(next.is_next && next.is_same_boot);
        assert_eq!(next.start.0, 110 * SECOND);
        // Unix time was set back by an hour in between.
        let next = second(
            &info("a", 100 * SECOND, 3_600_000_000),
            &info("a", 130 * SECOND, 7),
        );
        assert!(!next.is_next && next.is_same_boot);
        assert_eq!(next.start.0, 130 * SECOND);
        // One that overlaps, as no recorder writes it.
        let next = second(&first, &info("a", 105 * SECOND, 10_000_000));
        assert!(!next.is_next);
        assert_eq!(next.start.0, 110 * SECOND);
        assert_eq!(next.joined(KernelTime(106 * SECOND)).0, 111 * SECOND);
    }

    #[test]
    fn another_run_of_the_kernel_counts_by_unix_time() {
        let first = info("a", 100 * SECOND, 5_000_000);
        let next = second(&first, &info("b", 3 * SECOND, 65_000_000));
        assert!(!next.is_next && !next.is_same_boot);
        assert_eq!(next.start.0, 160 * SECOND);
        assert_eq!(next.joined(KernelTime(4 * SECOND)).0, 161 * SECOND);
        for unix_us in [0, 5_000_000, u64::MAX] {
            let next = second(&first, &info("b", 3 * SECOND, unix_us));
            assert_eq!(next.start.0, 110 * SECOND, "{unix_us}");
        }
    }

    #[test]
    fn without_the_name_of_the_run_the_clocks_must_agree() {
        let first = info("", 100 * SECOND, 5_000_000);
        assert!(second(&first, &info("", 110 * SECOND, 15_000_400)).is_next);
        assert!(!second(&first, &info("", 3 * SECOND, 15_000_000)).is_same_boot);
        assert!(!second(&first, &info("b", 110 * SECOND, 15_000_000)).is_same_boot);
    }

    #[test]
    fn the_ends_of_the_clock_do_not_overflow() {
        let mut clock = JoinClock::default();
        let all = [
            info("a", u64::MAX, 0),
            info("b", 0, u64::MAX),
            info("b", u64::MAX, 0),
        ];
        for chunk in all {
            let place = clock.place(&chunk, KernelTime(u64::MAX));
            assert_eq!(place.joined(KernelTime(u64::MAX)).0, u64::MAX);
            assert_eq!(place.at_unix(&chunk, u64::MAX).0, u64::MAX);
            place.at_unix(&chunk, 0);
        }
    }
}
