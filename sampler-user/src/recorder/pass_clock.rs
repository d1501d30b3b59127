//! Lets a pass over the waiting threads begin at each tick, in a thread of its
//! own: a pass may have to wait for a page of a target, and nothing else must.
//! It refuses to know how a pass looks into threads.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::clock::monotonic_now;
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
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    tgids: Mutex<Arc<[u32]>>,
    run: AtomicU64,
    skipped: AtomicU64,
    failed: AtomicU64,
    nanoseconds: AtomicU64,
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
        *shared.tgids.lock().unwrap_or_else(PoisonError::into_inner) = tgids;
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("passes".into())
            .spawn(move || {
                // What cannot be given up is kept.
                P::ROLE.take_up().ok();
                of_thread.passes(&mut pass, start, period);
            })?;
        Ok(Self { shared, thread })
    }

    /// From now on, passes look at these processes.
    pub(super) fn follow(&self, tgids: Arc<[u32]>) {
        let mut current = self.lock();
        if *current != tgids {
            *current = tgids;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<[u32]>> {
        self.shared
            .tgids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins no other pass. One that waits for a target's memory may still be
    /// under way.
    pub(super) fn stop(&self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.thread.thread().unpark();
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

impl Shared {
    fn passes(&self, pass: &mut impl Pass, start: KernelTime, period: Duration) {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
        let mut due = start;
        while self.wait_until(due) {
            let began = monotonic_now();
            let tgids = Arc::clone(&self.tgids.lock().unwrap_or_else(PoisonError::into_inner));
            let result = pass.run(&tgids);
            let now = monotonic_now();
            let add =
                |counter: &AtomicU64, number: u64| counter.fetch_add(number, Ordering::Relaxed);
            add(&self.run, 1);
            add(&self.failed, u64::from(result.is_err()));
            add(&self.nanoseconds, now.0.saturating_sub(began.0));
            // The next tick that is still to come; those in between are skipped.
            let over = now.0.saturating_sub(due.0) / period;
            add(&self.skipped, over);
            due = KernelTime(due.0.saturating_add((over + 1).saturating_mul(period)));
        }
    }

    /// False when it is over.
    fn wait_until(&self, due: KernelTime) -> bool {
        loop {
            if self.is_over.load(Ordering::Acquire) {
                return false;
            }
            let left = due.0.saturating_sub(monotonic_now().0);
            if left == 0 {
                return true;
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
        clock.stop();
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
        clock.stop();
        // Passes that were counted are over, and each was ten ticks long.
        let counts = clock.counts();
        assert!(counts.skipped >= counts.run * 5, "{counts:?}");
    }
}
