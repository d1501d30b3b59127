// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures what a recording costs while it takes samples: CPU time of the eBPF program
//! and of user space.

use std::time::{Duration, Instant};

use crate::capture::bpf::ticks::measure_interrupt;
use crate::record::clock::{process_cpu_time, thread_cpu_time};
use crate::record::rate_limiter::Spent;

/// Run time of the eBPF program at a tick that hits no followed process; at one that
/// does, its run time before and after the sample (`docs/overhead.md`).
const PROGRAM: Duration = Duration::from_nanos(300);
/// Cost of an interrupt, where that cannot be measured.
const INTERRUPT: Duration = Duration::from_micros(2);

/// Counters of a recording at one moment, all since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks {
    /// Ticks on CPUs that were not idle.
    pub(super) ticks: u64,
    /// Run time of the samples that these ticks took, and of those of returns.
    pub(super) samples: Duration,
    /// CPU time of the scans of waiting threads.
    pub(super) scans: Duration,
}

/// Measures the cost from one [`Costs::measure`] to the next.
pub(super) struct Costs {
    /// Cost of a tick without its sample.
    tick: Duration,
    last_measured: Instant,
    last: Clocks,
    last_cpu: Duration,
    /// CPU time of the threads that look into processes and files, as of the last measurement.
    last_others: Duration,
    on_processes: Duration,
    /// CPU time of the recording up to the last measurement.
    total: Duration,
}

impl Costs {
    /// Starts measuring. The calling thread must be the one that takes the records, and
    /// must still have the privilege to open a clock; without it, the cost of an
    /// interrupt is a fixed estimate.
    pub(super) fn start() -> Self {
        Self {
            tick: PROGRAM + measure_interrupt().unwrap_or(INTERRUPT),
            last_measured: Instant::now(),
            last: Clocks::default(),
            last_cpu: thread_cpu_time(),
            last_others: process_cpu_time().saturating_sub(thread_cpu_time()),
            on_processes: Duration::ZERO,
            total: Duration::ZERO,
        }
    }

    /// Runs `work`, which no sample has caused, and counts its CPU time separately.
    pub(super) fn on_processes<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let before = thread_cpu_time();
        let result = work();
        self.on_processes += thread_cpu_time().saturating_sub(before);
        result
    }

    /// Adds CPU time that no sample has caused.
    pub(super) fn add_on_processes(&mut self, time: Duration) {
        self.on_processes += time;
    }

    /// Returns what was spent since the last measurement.
    pub(super) fn measure(&mut self, clocks: Clocks, now: Instant) -> Spent {
        let elapsed = now.saturating_duration_since(self.last_measured);
        let cpu = thread_cpu_time();
        let user = cpu.saturating_sub(self.last_cpu);
        let ticks = clocks.ticks.saturating_sub(self.last.ticks);
        let interrupts = self
            .tick
            .saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        let on_processes = std::mem::take(&mut self.on_processes);
        let others = process_cpu_time().saturating_sub(cpu + clocks.scans);
        let by_others = others.saturating_sub(self.last_others);
        let kernel = clocks.samples.saturating_sub(self.last.samples);
        let scans = clocks.scans.saturating_sub(self.last.scans);
        let spent = Spent {
            elapsed,
            on_samples: kernel + scans + interrupts + user.saturating_sub(on_processes),
            on_processes: on_processes + by_others,
        };
        (self.last, self.last_measured, self.last_cpu) = (clocks, now, cpu);
        // The CPU time of a scan is known only when it is over; until then it seems to be
        // that of the other threads.
        self.last_others = self.last_others.max(others);
        self.total += spent.on_samples + spent.on_processes;
        spent
    }

    /// Returns all CPU time that was spent up to the last measurement.
    pub(super) fn total(&self) -> Duration {
        self.total
    }
}
