//! What a recording costs: CPU time of the kernel side and of user space, as far
//! as it goes on while samples are taken. It refuses to judge it.

use std::time::{Duration, Instant};

use super::clock::{process_cpu_time, thread_cpu_time};
use super::governor::Spent;
use crate::bpf::ticks::measure_interrupt;

/// What the program of the kernel side takes at a tick that hits no followed
/// process, and before and after the sample at one that does (`README.md`,
/// Overhead).
const PROGRAM: Duration = Duration::from_nanos(300);
/// What an interrupt takes where that cannot be measured.
const INTERRUPT: Duration = Duration::from_micros(2);

/// The clocks of a recording, as they stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks {
    /// Ticks on CPUs that did not idle.
    pub(super) ticks: u64,
    /// Run time of the samples that they took.
    pub(super) samples: Duration,
    /// CPU time of the passes over waiting threads.
    pub(super) passes: Duration,
}

/// Measures from look to look.
pub(super) struct Costs {
    /// What a tick takes beyond its sample.
    tick: Duration,
    last_look: Instant,
    last: Clocks,
    last_cpu: Duration,
    /// CPU time of the threads that look into processes and files.
    last_others: Duration,
    on_processes: Duration,
    /// CPU time in all.
    total: Duration,
}

impl Costs {
    /// Begins to measure the calling thread. It needs a right to open a clock.
    pub(super) fn start() -> Self {
        Self {
            tick: PROGRAM + measure_interrupt().unwrap_or(INTERRUPT),
            last_look: Instant::now(),
            last: Clocks::default(),
            last_cpu: thread_cpu_time(),
            last_others: process_cpu_time().saturating_sub(thread_cpu_time()),
            on_processes: Duration::ZERO,
            total: Duration::ZERO,
        }
    }

    /// Does something that no sample is the cause of.
    pub(super) fn on_processes<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let before = thread_cpu_time();
        let result = work();
        self.on_processes += thread_cpu_time().saturating_sub(before);
        result
    }

    /// So much was done that no sample is the cause of.
    pub(super) fn add_on_processes(&mut self, time: Duration) {
        self.on_processes += time;
    }

    /// What was spent since the last look.
    pub(super) fn look(&mut self, clocks: Clocks, now: Instant) -> Spent {
        let elapsed = now.saturating_duration_since(self.last_look);
        let cpu = thread_cpu_time();
        let user = cpu.saturating_sub(self.last_cpu);
        let ticks = clocks.ticks.saturating_sub(self.last.ticks);
        let interrupts = self
            .tick
            .saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        let on_processes = std::mem::take(&mut self.on_processes);
        let others = process_cpu_time().saturating_sub(cpu + clocks.passes);
        let by_others = others.saturating_sub(self.last_others);
        let kernel = clocks.samples.saturating_sub(self.last.samples);
        let passes = clocks.passes.saturating_sub(self.last.passes);
        let spent = Spent {
            elapsed,
            on_samples: kernel + passes + interrupts + user.saturating_sub(on_processes),
            on_processes: on_processes + by_others,
        };
        (self.last, self.last_look, self.last_cpu) = (clocks, now, cpu);
        // What a pass has taken is known when it is over: until then it seems theirs.
        self.last_others = self.last_others.max(others);
        self.total += spent.on_samples + spent.on_processes;
        spent
    }

    /// All that was spent up to the last look.
    pub(super) fn total(&self) -> Duration {
        self.total
    }
}
