// SPDX-License-Identifier: MIT OR Apache-2.0

//! Maintains the clocks of the CPUs while a recording runs, in a thread of its own: gives
//! them their period when their first tick has come, changes their rate, and opens them
//! on CPUs that come online.
//!
//! Opening a clock needs a privilege that the main thread has given up by then. The
//! thread sleeps unless there is something to do.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use sampler_trace::model::identifiers::KernelTime;

use crate::capture::bpf::cpu_events::{CpuEvent, CpuEvents};
use crate::capture::bpf::tick_schedule::{ClockPeriods, TickSchedule};
use crate::capture::bpf::ticks::Ticks;
use crate::platform::privileges::role::Role;
use crate::record::clock::monotonic_now;
use crate::record::report::cpu_changes::CpuChanges;

/// The running clocks, as their owner sees them.
pub(super) struct TickClock {
    shared: Arc<Shared>,
    requests: Option<Sender<Request>>,
    wake: PipeWriter,
    thread: Option<JoinHandle<()>>,
}

/// A new period, and where to send the result.
type Request = (Duration, Sender<io::Result<()>>);

#[derive(Default)]
struct Shared {
    schedule: SharedSchedule,
    changes: Mutex<CpuChanges>,
}

/// When ticks come, for a thread that waits for them.
#[derive(Default)]
pub(super) struct SharedSchedule {
    schedule: Mutex<TickSchedule>,
    has_changed: Condvar,
}

impl SharedSchedule {
    pub(super) fn lock(&self) -> MutexGuard<'_, TickSchedule> {
        lock(&self.schedule)
    }

    pub(super) fn set(&self, schedule: &TickSchedule) {
        let mut current = self.lock();
        if *current != *schedule {
            current.clone_from(schedule);
            self.has_changed.notify_all();
        }
    }

    /// Waits until the schedule has changed, [`Self::wake`] is called, or `at_most` has
    /// passed.
    pub(super) fn wait<'a>(
        &self,
        schedule: MutexGuard<'a, TickSchedule>,
        at_most: Duration,
    ) -> MutexGuard<'a, TickSchedule> {
        let waited = self.has_changed.wait_timeout(schedule, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends all waits.
    pub(super) fn wake(&self) {
        let _schedule = self.lock();
        self.has_changed.notify_all();
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TickClock {
    /// Takes over `ticks`, which run already. `cpu_events` reports CPUs that come and go, or
    /// says why nothing does.
    ///
    /// # Errors
    /// No thread or pipe can be created.
    pub(super) fn start(ticks: Ticks, cpu_events: io::Result<CpuEvents>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.schedule.set(ticks.schedule());
        let (requests, receiver) = mpsc::channel();
        let (woken, wake) = io::pipe()?;
        let cpu_events = match cpu_events {
            Ok(cpu_events) => Some(cpu_events),
            Err(error) => {
                lock(&shared.changes).unheard = Some(error.to_string());
                None
            }
        };
        let mut care = Care {
            shared: Arc::clone(&shared),
            ticks,
            cpu_events,
            woken,
            requests: receiver,
            start: monotonic_now(),
        };
        let thread = thread::Builder::new()
            .name("clocks".into())
            .spawn(move || {
                // A privilege that cannot be given up is kept.
                Role::Clocks.apply().ok();
                while care.goes_on() {}
            })?;
        Ok(Self {
            shared,
            requests: Some(requests),
            wake,
            thread: Some(thread),
        })
    }

    /// Returns when the ticks come, kept up to date.
    pub(super) fn schedule(&self) -> ScheduleSource {
        ScheduleSource(Arc::clone(&self.shared))
    }

    /// Makes the clocks tick once each `period` on average.
    ///
    /// # Errors
    /// The kernel's error, or that the clocks have stopped.
    pub(super) fn set_period(&mut self, period: Duration) -> io::Result<()> {
        let is_over = || io::Error::other("the clocks have stopped");
        let (answer, answered) = mpsc::channel();
        let requests = self.requests.as_ref().ok_or_else(is_over)?;
        requests.send((period, answer)).map_err(|_| is_over())?;
        self.wake.write_all(&[0])?;
        answered.recv().map_err(|_| is_over())?
    }

    /// Stops the ticks.
    pub(super) fn stop(&mut self) {
        self.requests = None;
        // This fails if the thread has ended.
        let _ = self.wake.write_all(&[0]);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Returns the CPUs that came and went.
    pub(super) fn changes(&self) -> CpuChanges {
        lock(&self.shared.changes).clone()
    }
}

/// When ticks come, as the clocks' thread keeps it up to date.
#[derive(Clone)]
pub(super) struct ScheduleSource(Arc<Shared>);

impl std::ops::Deref for ScheduleSource {
    type Target = SharedSchedule;

    fn deref(&self) -> &SharedSchedule {
        &self.0.schedule
    }
}

#[cfg(test)]
impl ScheduleSource {
    /// Creates a source of ticks that no CPU has.
    pub(super) fn new(schedule: &TickSchedule) -> Self {
        let shared = Shared::default();
        shared.schedule.set(schedule);
        Self(Arc::new(shared))
    }
}

/// What the thread that maintains the clocks owns.
struct Care {
    shared: Arc<Shared>,
    ticks: Ticks,
    cpu_events: Option<CpuEvents>,
    woken: PipeReader,
    requests: Receiver<Request>,
    start: KernelTime,
}

impl Care {
    /// Waits for the next thing to do, and does it. Returns false when the clocks are
    /// stopped.
    fn goes_on(&mut self) -> bool {
        if self.is_woken() {
            // The pipe has one byte for each request, and one for the end.
            let mut one = [0];
            let _ = self.woken.read(&mut one);
            match self.requests.try_recv() {
                Ok((period, answer)) => {
                    let changed = self.ticks.change(ClockPeriods::random(period));
                    let _ = answer.send(changed);
                }
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
        while let Some(event) = self.cpu_events.as_mut().and_then(CpuEvents::take) {
            self.take(event);
        }
        // A clock that cannot be set keeps the period that led to its first tick: its CPU
        // went offline in the meantime, which an event reports.
        let _ = self.ticks.settle();
        self.shared.schedule.set(self.ticks.schedule());
        true
    }

    /// Waits for a request, for a clock that must be set, or for an event of a CPU.
    /// Returns whether it was a request or the end.
    fn is_woken(&self) -> bool {
        let left = self.ticks.settles().map(|due| {
            let left = due.saturating_sub(monotonic_now().0);
            TimeSpec::from_duration(Duration::from_nanos(left))
        });
        let mut descriptors = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        if let Some(cpu_events) = &self.cpu_events {
            descriptors.push(PollFd::new(cpu_events.as_fd(), PollFlags::POLLIN));
        }
        let polled = ppoll(&mut descriptors, left, None);
        polled.is_ok() && descriptors.first().and_then(PollFd::any) == Some(true)
    }

    fn take(&mut self, event: CpuEvent) {
        match event {
            CpuEvent::Online(cpu) => self.come(cpu),
            CpuEvent::Offline(cpu) => {
                self.ticks.leave(cpu);
                let after = monotonic_now().since(self.start);
                lock(&self.shared.changes).went(cpu, after);
            }
            CpuEvent::Lost => {
                for cpu in self.ticks.cpus().collect::<Vec<_>>() {
                    self.come(cpu);
                }
                lock(&self.shared.changes).unheard = Some("events of CPUs were lost".into());
            }
        }
    }

    fn come(&mut self, cpu: u32) {
        let came = monotonic_now();
        let reason = match self.ticks.watch(cpu) {
            Ok(true) => None,
            // It went offline again, which the next event reports.
            Ok(false) => return,
            Err(error) => Some(error.to_string()),
        };
        let after = came.since(self.start);
        let mut changes = lock(&self.shared.changes);
        changes.came(cpu, after, monotonic_now().since(came), reason);
    }
}
