// SPDX-License-Identifier: MIT OR Apache-2.0

//! Begins a scan of the waiting threads at each tick, in a thread of its own, because a
//! scan may block on a page of a target, which must delay nothing else.
//!
//! A thread that runs is sampled by the tick, and one that does not by the scan. To sample
//! each thread once, the scan begins as soon as the tick has come on every CPU, and
//! gets the time of the tick. Where threads sample themselves when they return, `looks`
//! decides when a scan begins.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use rustix::thread::set_current_timer_slack;
use sampler_common::scan_order::ScanOrder;

use crate::capture::bpf::task_iter::shorten_slice;
use crate::platform::privileges::role::Role;
use crate::record::clock::{monotonic_now, thread_cpu_time};
use crate::record::report::scan_counts::ScanCounts;
use crate::record::tick_clock::ScheduleSource;

/// A way to scan all threads of some processes once.
pub(super) trait Scan: Send + 'static {
    /// The role of the thread that makes the scans.
    const ROLE: Role;

    /// Makes one scan of the processes with these thread group ids.
    fn run(&mut self, order: ScanOrder, tgids: &[u32]) -> io::Result<()>;
}

/// When scans begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// At each tick.
    Ticks,
    /// Now and then, beside returns that sample what has waited.
    Returns,
}

/// A running clock, as its owner sees it.
pub(super) struct ScanClock {
    pace: Pace,
    shared: Arc<Shared>,
    schedule: ScheduleSource,
    /// Receives nothing, and is disconnected when the last scan is over.
    end: Receiver<()>,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) is_over: AtomicBool,
    pub(super) tgids: Mutex<Arc<[u32]>>,
    run: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
    nanoseconds: AtomicU64,
    /// CPU time of the thread, in nanoseconds.
    cpu_time: AtomicU64,
}

impl ScanClock {
    /// Starts with a scan at once, which accounts for no time: waiting threads have a row
    /// from then on. After that, `pace` says which scans begin at the ticks of `schedule`.
    pub(super) fn start<P: Scan>(
        mut scan: P,
        schedule: ScheduleSource,
        tgids: Arc<[u32]>,
        pace: Pace,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        *lock(&shared.tgids) = tgids;
        let of_thread = ScanThread {
            shared: Arc::clone(&shared),
            schedule: schedule.clone(),
        };
        let (ending, end) = mpsc::channel();
        thread::Builder::new().name("scans".into()).spawn(move || {
            // A privilege that cannot be given up is kept.
            P::ROLE.apply().ok();
            // Dropped when the last scan is over.
            let _ending = ending;
            match pace {
                Pace::Ticks => {
                    // Scans come late enough without timer slack.
                    set_current_timer_slack(NonZeroU64::new(1)).ok();
                    shorten_slice().ok();
                    of_thread.scans(&mut scan);
                }
                Pace::Returns => of_thread.looks(&mut scan),
            }
        })?;
        Ok(Self {
            pace,
            shared,
            schedule,
            end,
        })
    }

    /// Returns when scans begin.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns the CPU time that scans have used.
    pub(super) fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu_time.load(Ordering::Relaxed))
    }

    /// Scans these processes from now on.
    pub(super) fn follow(&self, tgids: Arc<[u32]>) {
        let mut current = lock(&self.shared.tgids);
        if *current == tgids {
            return;
        }
        *current = tgids;
        drop(current);
        if self.pace == Pace::Returns {
            self.schedule.wake();
        }
    }

    /// Begins no other scan, and waits for the end of one that is under way, but at most
    /// for `patience`: it may be blocked on a target's memory. Returns whether it has
    /// ended.
    pub(super) fn stop(&self, patience: Duration) -> bool {
        self.shared.is_over.store(true, Ordering::Release);
        self.schedule.wake();
        self.end.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }

    /// Returns what was counted so far.
    pub(super) fn counts(&self) -> ScanCounts {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        ScanCounts {
            run: load(&self.shared.run),
            skipped: load(&self.shared.skipped),
            failed: load(&self.shared.failed),
            nanoseconds: load(&self.shared.nanoseconds),
            from_user_space: None,
        }
    }
}

pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread that makes the scans owns.
pub(super) struct ScanThread {
    pub(super) shared: Arc<Shared>,
    pub(super) schedule: ScheduleSource,
}

impl ScanThread {
    /// Makes a scan at each tick until the clock is stopped, then the last one.
    fn scans(&self, scan: &mut impl Scan) {
        let mut done = monotonic_now().0;
        let mut order = ScanOrder {
            since: done,
            ..ScanOrder::default()
        };
        loop {
            self.scan(scan, order);
            let Some(due) = self.wait_after(done) else {
                break;
            };
            self.shared
                .skipped
                .fetch_add(due.number - 1, Ordering::Relaxed);
            done = due.now;
            order = ScanOrder {
                since: due.since,
                weight: due.weight,
                period: due.period,
                ..ScanOrder::default()
            };
        }
        self.scan(
            scan,
            ScanOrder {
                is_last: 1,
                ..ScanOrder::default()
            },
        );
    }

    fn scan(&self, scan: &mut impl Scan, order: ScanOrder) {
        let tgids = Arc::clone(&lock(&self.shared.tgids));
        // A failure is counted.
        let _ = self.scan_of(scan, order, &tgids);
    }

    /// Makes one scan of the processes with these thread group ids, and counts it.
    pub(super) fn scan_of(
        &self,
        scan: &mut impl Scan,
        order: ScanOrder,
        tgids: &[u32],
    ) -> io::Result<()> {
        let shared = &self.shared;
        let add = |counter: &AtomicU64, number: u64| counter.fetch_add(number, Ordering::Relaxed);
        let began = monotonic_now();
        let result = scan.run(order, tgids);
        add(&shared.run, 1 - order.is_last);
        add(&shared.failed, u64::from(result.is_err()));
        add(
            &shared.nanoseconds,
            monotonic_now().0.saturating_sub(began.0),
        );
        let cpu_time = u64::try_from(thread_cpu_time().as_nanos()).unwrap_or(u64::MAX);
        shared.cpu_time.store(cpu_time, Ordering::Relaxed);
        result
    }

    /// Waits until there was a tick after `done`; `None` when the clock is stopped.
    fn wait_after(&self, done: u64) -> Option<Due> {
        let mut schedule = self.schedule.lock();
        loop {
            if self.shared.is_over.load(Ordering::Acquire) {
                return None;
            }
            let now = monotonic_now().0;
            let number = schedule.between(done, now);
            if number > 0
                && let Some(last) = schedule.until(now)
            {
                return Some(Due {
                    since: last.first,
                    now,
                    number,
                    weight: number.saturating_mul(schedule.period),
                    period: schedule.period,
                });
            }
            let due = schedule.after(now).map_or(u64::MAX, |tick| tick.last);
            let left = Duration::from_nanos(due.saturating_sub(now).min(LONGEST_WAIT));
            schedule = self.schedule.wait(schedule, left);
        }
    }
}

/// The longest single wait, in nanoseconds; after it, the thread waits again.
const LONGEST_WAIT: u64 = 3_600_000_000_000;

/// A scan that is due.
struct Due {
    /// When the tick came on the first CPU.
    since: u64,
    now: u64,
    /// Ticks since the previous scan, including this one. Those in between have no scan.
    number: u64,
    /// The time that these ticks account for, in nanoseconds.
    weight: u64,
    /// The time that one tick accounts for, in nanoseconds.
    period: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::bpf::tick_schedule::{ClockSchedule, TickSchedule};

    struct Sent(mpsc::Sender<(ScanOrder, Vec<u32>)>, Duration);

    impl Scan for Sent {
        const ROLE: Role = Role::Waiting;

        fn run(&mut self, order: ScanOrder, tgids: &[u32]) -> io::Result<()> {
            thread::park_timeout(self.1);
            let sent = self.0.send((order, tgids.to_vec()));
            sent.map_err(io::Error::other)
        }
    }

    /// One clock that ticks each `milliseconds` from now on.
    fn schedule(milliseconds: u64) -> TickSchedule {
        let period = milliseconds * 1_000_000;
        let first = monotonic_now().0 + period;
        TickSchedule {
            period,
            parts: vec![ClockSchedule {
                first,
                last: first,
                period,
            }],
        }
    }

    #[test]
    fn scans_come_until_it_is_stopped() {
        let (sender, scans) = mpsc::channel();
        let source = ScheduleSource::new(&schedule(1));
        let scan = Sent(sender, Duration::ZERO);
        let clock = ScanClock::start(scan, source.clone(), [7].into(), Pace::Ticks);
        let clock = clock.expect("a thread can be had");
        let (order, tgids) = scans.recv().expect("it begins");
        assert_eq!((order.weight, tgids), (0, vec![7]));
        clock.follow([7, 8].into());
        assert!(scans.iter().any(|(_, tgids)| tgids == [7, 8]));
        source.set(&schedule(2));
        let two = |(order, _): (ScanOrder, _)| order.weight == 2_000_000;
        assert!(scans.iter().any(two));
        assert!(clock.stop(Duration::from_secs(60)));
        let last = scans.iter().last().expect("there is one at the end");
        assert_eq!(last.0.is_last, 1);
        assert!(clock.shared.run.load(Ordering::Relaxed) >= 3);
    }

    #[test]
    fn a_pass_that_takes_too_long_skips_ticks_and_counts_for_them() {
        let (sender, scans) = mpsc::channel();
        let scan = Sent(sender, Duration::from_millis(20));
        let clock = ScanClock::start(
            scan,
            ScheduleSource::new(&schedule(2)),
            [].into(),
            Pace::Ticks,
        );
        let clock = clock.expect("a thread can be had");
        let mut weight = 0;
        for _ in 0..4 {
            weight += scans.recv().expect("it goes on").0.weight;
        }
        assert!(clock.stop(Duration::from_secs(60)));
        // A scan is counted when it is over, and each took ten ticks.
        let counts = clock.counts();
        assert!(counts.skipped >= (counts.run - 1) * 5, "{counts:?}");
        let of_others: u64 = scans.iter().map(|(order, _)| order.weight).sum();
        let ticks = counts.run - 1 + counts.skipped;
        assert_eq!(weight + of_others, ticks * 2_000_000);
    }

    #[test]
    fn the_end_of_a_pass_that_hangs_is_not_waited_for() {
        struct Hangs(mpsc::Receiver<()>, mpsc::Sender<()>);
        impl Scan for Hangs {
            const ROLE: Role = Role::Waiting;

            fn run(&mut self, order: ScanOrder, _: &[u32]) -> io::Result<()> {
                if order.is_last == 1 {
                    return Ok(());
                }
                self.1.send(()).map_err(io::Error::other)?;
                self.0.recv().map_err(io::Error::other)
            }
        }
        let (release, waiting) = mpsc::channel();
        let (sender, began) = mpsc::channel();
        let scan = Hangs(waiting, sender);
        let clock = ScanClock::start(
            scan,
            ScheduleSource::new(&schedule(1)),
            [].into(),
            Pace::Ticks,
        );
        let clock = clock.expect("a thread can be had");
        began.recv().expect("it begins");
        assert!(!clock.stop(Duration::from_millis(1)));
        release.send(()).expect("it waits");
        assert!(clock.stop(Duration::from_secs(60)));
    }
}
