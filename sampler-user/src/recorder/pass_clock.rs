//! Lets a pass over the waiting threads begin at each tick, in a thread of its
//! own: a pass may have to wait for a page of a target, and nothing else must.
//! It refuses to know how a pass looks into threads.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::{monotonic_now, thread_cpu_time};
use crate::privileges::Role;
use crate::report::PassCounts;
use crate::timeline::KernelTime;

/// A way to look at all threads of some processes once.
pub(super) trait Pass: Send + 'static {
    /// What its thread is for.
    const ROLE: Role;

    /// Looks at the processes with these thread group ids.
    fn run(&mut self, tgids: &[u32]) -> io::Result<()>;
}

/// A running clock.
pub(super) struct PassClock {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    /// Nothing comes of it but its end.
    end: Receiver<()>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    beat: Mutex<Beat>,
    tgids: Mutex<Arc<[u32]>>,
    run: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
    nanoseconds: AtomicU64,
    /// CPU time of the thread, in nanoseconds.
    cpu_time: AtomicU64,
}

/// When passes are due: each `period` nanoseconds from `start` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Beat {
    start: KernelTime,
    period: u64,
}

impl Beat {
    fn new(start: KernelTime, period: Duration) -> Self {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { start, period }
    }

    /// How many beats were at `time` or before it, without the first one.
    fn number(&self, time: KernelTime) -> u64 {
        time.0.saturating_sub(self.start.0) / self.period
    }

    fn time(&self, number: u64) -> KernelTime {
        let after = number.saturating_mul(self.period);
        KernelTime(self.start.0.saturating_add(after))
    }
}

impl PassClock {
    /// Starts with a pass at once, and then one each `period` after `start`: the
    /// CPUs' ticks have the same period and began then, so that what runs and
    /// what waits is looked at at the same moments.
    pub(super) fn start<P: Pass>(
        mut pass: P,
        start: KernelTime,
        period: Duration,
        tgids: Arc<[u32]>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        *lock(&shared.tgids) = tgids;
        *lock(&shared.beat) = Beat::new(start, period);
        let of_thread = Arc::clone(&shared);
        let (ending, end) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("passes".into())
            .spawn(move || {
                // What cannot be given up is kept.
                P::ROLE.take_up().ok();
                of_thread.passes(&mut pass, ending);
            })?;
        Ok(Self {
            shared,
            thread,
            end,
        })
    }

    /// From now on there is a pass each `period`, the first one a period after
    /// `start`.
    pub(super) fn set_period(&self, start: KernelTime, period: Duration) {
        *lock(&self.shared.beat) = Beat::new(start, period);
        self.thread.thread().unpark();
    }

    /// CPU time that passes have taken.
    pub(super) fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu_time.load(Ordering::Relaxed))
    }

    /// From now on, passes look at these processes.
    pub(super) fn follow(&self, tgids: Arc<[u32]>) {
        let mut current = lock(&self.shared.tgids);
        if *current != tgids {
            *current = tgids;
        }
    }

    /// Begins no other pass, and waits for the end of one that is under way, but
    /// not longer than `patience`: it may wait for a target's memory. Whether it has
    /// ended.
    pub(super) fn stop(&self, patience: Duration) -> bool {
        self.shared.is_over.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.end.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }

    /// What was counted so far.
    pub(super) fn counts(&self) -> PassCounts {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        PassCounts {
            run: load(&self.shared.run),
            skipped: load(&self.shared.skipped),
            failed: load(&self.shared.failed),
            nanoseconds: load(&self.shared.nanoseconds),
            from_user_space: None,
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Drops `_ending` with its last pass.
    fn passes(&self, pass: &mut impl Pass, _ending: Sender<()>) {
        let add = |counter: &AtomicU64, number: u64| counter.fetch_add(number, Ordering::Relaxed);
        let mut beat = *lock(&self.beat);
        // The next beat that is due.
        let mut number = 0;
        while let Some(now) = self.wait_until(beat.time(number), beat) {
            if now != beat {
                beat = now;
                number = beat.number(monotonic_now()) + 1;
                continue;
            }
            let began = monotonic_now();
            let tgids = Arc::clone(&lock(&self.tgids));
            let result = pass.run(&tgids);
            let now = monotonic_now();
            add(&self.run, 1);
            add(&self.failed, u64::from(result.is_err()));
            add(&self.nanoseconds, now.0.saturating_sub(began.0));
            let cpu_time = u64::try_from(thread_cpu_time().as_nanos()).unwrap_or(u64::MAX);
            self.cpu_time.store(cpu_time, Ordering::Relaxed);
            // The next tick that is still to come; those in between are skipped.
            let next = beat.number(now).max(number) + 1;
            add(&self.skipped, next - number - 1);
            number = next;
        }
    }

    /// Waits until `due`, or until the beat is another one than `beat`, which it
    /// gives; `None` when it is over.
    fn wait_until(&self, due: KernelTime, beat: Beat) -> Option<Beat> {
        loop {
            if self.is_over.load(Ordering::Acquire) {
                return None;
            }
            let now = *lock(&self.beat);
            let left = due.0.saturating_sub(monotonic_now().0);
            if left == 0 || now != beat {
                return Some(now);
            }
            thread::park_timeout(Duration::from_nanos(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Sent(mpsc::Sender<Vec<u32>>, Duration);

    impl Pass for Sent {
        const ROLE: Role = Role::Waiting;

        fn run(&mut self, tgids: &[u32]) -> io::Result<()> {
            thread::park_timeout(self.1);
            self.0.send(tgids.to_vec()).map_err(io::Error::other)
        }
    }

    #[test]
    fn passes_come_until_it_is_stopped() {
        let (sender, passes) = mpsc::channel();
        let pass = Sent(sender, Duration::ZERO);
        let period = Duration::from_millis(1);
        let clock = PassClock::start(pass, monotonic_now(), period, [7].into());
        let clock = clock.expect("a thread can be had");
        assert_eq!(passes.recv(), Ok(vec![7]));
        clock.follow([7, 8].into());
        assert!(passes.iter().any(|tgids| tgids == [7, 8]));
        clock.set_period(monotonic_now(), Duration::from_millis(2));
        assert_eq!(passes.recv(), Ok(vec![7, 8]));
        assert!(clock.stop(Duration::from_secs(60)));
        clock.thread.join().expect("it does not panic");
        assert!(clock.shared.run.load(Ordering::Relaxed) >= 2);
    }

    #[test]
    fn a_pass_that_takes_too_long_skips_ticks() {
        let (sender, passes) = mpsc::channel();
        let pass = Sent(sender, Duration::from_millis(20));
        let period = Duration::from_millis(2);
        let clock = PassClock::start(pass, monotonic_now(), period, [].into());
        let clock = clock.expect("a thread can be had");
        for _ in 0..3 {
            passes.recv().expect("it goes on");
        }
        assert!(clock.stop(Duration::from_secs(60)));
        // Passes that were counted are over, and each was ten ticks long.
        let counts = clock.counts();
        assert!(counts.skipped >= counts.run * 5, "{counts:?}");
    }

    #[test]
    fn another_period_has_another_beat() {
        let beat = Beat::new(KernelTime(1000), Duration::from_nanos(100));
        assert_eq!(beat.time(3), KernelTime(1300));
        let numbers = [0, 1000, 1099, 1100, 1350].map(|time| beat.number(KernelTime(time)));
        assert_eq!(numbers, [0, 0, 0, 1, 3]);
    }

    #[test]
    fn the_end_of_a_pass_that_hangs_is_not_waited_for() {
        struct Hangs(mpsc::Receiver<()>, mpsc::Sender<()>);
        impl Pass for Hangs {
            const ROLE: Role = Role::Waiting;

            fn run(&mut self, _: &[u32]) -> io::Result<()> {
                self.1.send(()).map_err(io::Error::other)?;
                self.0.recv().map_err(io::Error::other)
            }
        }
        let (release, waiting) = mpsc::channel();
        let (sender, began) = mpsc::channel();
        let period = Duration::from_millis(1);
        let pass = Hangs(waiting, sender);
        let clock = PassClock::start(pass, monotonic_now(), period, [].into());
        let clock = clock.expect("a thread can be had");
        began.recv().expect("it begins");
        assert!(!clock.stop(Duration::from_millis(1)));
        release.send(()).expect("it waits");
        assert!(clock.stop(Duration::from_secs(60)));
    }
}
