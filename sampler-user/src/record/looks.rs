// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decides when threads are scanned that sample themselves when they return to a CPU. A scan
//! then only shows those that have not returned yet, so that a long wait is seen while it
//! lasts. It represents no time and belongs to no tick.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sampler_common::scan_order::ScanOrder;

use crate::record::clock::monotonic_now;
use crate::record::scan_clock::{Scan, ScanThread, lock};

/// The longest time that a wait goes on after the first edge in it before a scan shows it, up
/// to a rate of one sample per second.
pub(super) const LONGEST_UNSEEN: Duration = Duration::from_secs(1);
/// The shortest time between two scans for waits.
const SHORTEST_UNSEEN: Duration = Duration::from_millis(500);
/// How many periods a wait may go unseen, within these bounds.
const PERIODS_UNSEEN: u32 = 10;
/// How soon new processes are scanned after the last scan.
const SOONEST: Duration = Duration::from_millis(100);

/// Returns the time from one scan to the next.
fn interval(period: Duration) -> Duration {
    let few = period.saturating_mul(PERIODS_UNSEEN);
    few.clamp(SHORTEST_UNSEEN, LONGEST_UNSEEN).max(period)
}

/// Whether there are processes that the last scan did not know.
fn has_new(now: &[u32], scanned: &[u32]) -> bool {
    now.iter().any(|tgid| !scanned.contains(tgid))
}

impl ScanThread {
    /// Makes scans until the clock is stopped, and then the last one, which accounts for the
    /// time of all threads since their last return. No return must come then any more.
    pub(super) fn looks(&self, scan: &mut impl Scan) {
        let mut seen_until = u64::MAX;
        let mut is_over = false;
        while !is_over {
            let began = monotonic_now().0;
            let period = self.schedule.lock().period;
            let tgids = Arc::clone(&lock(&self.shared.tgids));
            let order = ScanOrder {
                since: began,
                period,
                by_returns: 1,
                seen_until,
                ..ScanOrder::default()
            };
            if self.scan_of(scan, order, &tgids).is_ok() {
                seen_until = began;
            }
            is_over = !self.wait_for_look((began, period), &tgids);
        }
        let tgids = Arc::clone(&lock(&self.shared.tgids));
        let order = ScanOrder {
            period: self.schedule.lock().period,
            by_returns: 1,
            seen_until,
            ..ScanOrder::default()
        };
        // Threads whose wait was not seen yet would be said to wait where they did before.
        for is_last in [0, 1] {
            // A failure is counted.
            let _ = self.scan_of(scan, ScanOrder { is_last, ..order }, &tgids);
        }
    }

    /// Waits until it is time for another scan; returns false when the clock is stopped.
    /// Returns go by the period of the last scan's order, so another one comes with another
    /// period at once.
    fn wait_for_look(&self, (began, period): (u64, u64), scanned: &[u32]) -> bool {
        let passed = |time: u64, wanted: Duration| {
            let since = Duration::from_nanos(time.saturating_sub(began));
            wanted.checked_sub(since).filter(|left| !left.is_zero())
        };
        let mut schedule = self.schedule.lock();
        loop {
            if self.shared.is_over.load(Ordering::Acquire) {
                return false;
            }
            if schedule.period != period {
                return true;
            }
            let every = interval(Duration::from_nanos(period));
            let is_new = has_new(&lock(&self.shared.tgids), scanned);
            let wanted = if is_new { SOONEST.min(every) } else { every };
            match passed(monotonic_now().0, wanted) {
                Some(left) => schedule = self.schedule.wait(schedule, left),
                None => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;
    use crate::capture::bpf::tick_schedule::TickSchedule;
    use crate::platform::privileges::role::Role;
    use crate::record::scan_clock::{Pace, ScanClock};
    use crate::record::tick_clock::ScheduleSource;

    #[test]
    fn a_wait_is_seen_within_a_second_and_not_more_often_than_samples_come() {
        for (period, expected) in [(1, 500), (10, 500), (100, 1000), (1000, 1000), (9000, 9000)] {
            let [period, expected] = [period, expected].map(Duration::from_millis);
            assert_eq!(interval(period), expected);
        }
    }

    struct Sent(mpsc::Sender<(ScanOrder, Vec<u32>)>);

    impl Scan for Sent {
        const ROLE: Role = Role::Waiting;

        fn run(&mut self, order: ScanOrder, tgids: &[u32]) -> io::Result<()> {
            let sent = self.0.send((order, tgids.to_vec()));
            sent.map_err(io::Error::other)
        }
    }

    /// A schedule whose period is `seconds`.
    fn schedule(seconds: u64) -> TickSchedule {
        TickSchedule {
            period: seconds * 1_000_000_000,
            parts: Vec::new(),
        }
    }

    #[test]
    fn new_processes_and_another_rate_are_not_waited_for() {
        let (sender, scans) = mpsc::channel();
        // The next scan by itself would come in an hour.
        let source = ScheduleSource::new(&schedule(3600));
        let clock = ScanClock::start(Sent(sender), source.clone(), [7].into(), Pace::Returns);
        let clock = clock.expect("a thread can be had");
        let (first, tgids) = scans.recv().expect("it begins");
        assert_eq!((first.seen_until, tgids), (u64::MAX, vec![7]));
        clock.follow([7, 8].into());
        let (second, tgids) = scans.recv().expect("it goes on");
        assert_eq!((second.seen_until, tgids), (first.since, vec![7, 8]));
        // That one has ended is no reason.
        clock.follow([8].into());
        source.set(&schedule(1800));
        let (third, tgids) = scans.recv().expect("it goes on");
        assert_eq!((third.period, tgids), (1_800_000_000_000, vec![8]));
        assert!(clock.stop(Duration::from_secs(60)));
        let rest: Vec<_> = scans.iter().map(|(order, _)| order).collect();
        assert_eq!(rest.iter().map(|it| it.is_last).collect::<Vec<_>>(), [0, 1]);
        assert!(rest.iter().all(|it| it.by_returns == 1 && it.weight == 0));
    }
}
