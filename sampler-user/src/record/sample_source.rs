// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sources of samples while a recording runs: the ticks and the scans of waiting
//! threads, with the ways by which their records and counts reach user space.

use std::time::Duration;

use sampler_common::counter::{Counter, CounterValues};

use crate::capture::bpf::counters::Counters;
use crate::capture::bpf::events::RawRecord;
use crate::capture::bpf::kernel::Kernel;
use crate::capture::bpf::kernel_log::KernelLog;
use crate::capture::bpf::ring::RecordRing;
use crate::capture::targets::registry::Targets;
use crate::record::cost::Clocks;
use crate::record::error::RecordError;
use crate::record::report::cpu_changes::CpuChanges;
use crate::record::report::scan_counts::ScanCounts;
use crate::record::scans::{RunningScans, TakenRecord};
use crate::record::tick_clock::TickClock;

/// Records taken in one go, before other work gets its turn.
const BATCH: usize = 4096;

/// The running ticks and scans, with their records and counters.
pub(super) struct SampleSource {
    pub(super) kernel: Kernel,
    pub(super) clocks: TickClock,
    pub(super) records: RecordRing,
    pub(super) counters: Counters,
    /// What the eBPF programs log, if that is asked for.
    pub(super) log: Option<KernelLog>,
    /// Scans of waiting threads; `None` in cpu mode.
    pub(super) scans: Option<RunningScans>,
}

impl SampleSource {
    /// Waits until there are records that should be taken, but at most for `at_most`.
    pub(super) async fn wait(&mut self, at_most: Duration) {
        self.records.wait(at_most).await;
    }

    /// Hands over records in the order of time. Returns whether there are more than could
    /// be taken in one go.
    pub(super) fn take_records(&mut self, mut take: impl FnMut(TakenRecord)) -> bool {
        // Why walks of these records stopped comes before the records themselves.
        if let Some(log) = &mut self.log {
            log.take();
        }
        let scans = self.scans.as_ref();
        let number = self.records.drain(BATCH, |record| {
            if let Some(scans) = scans
                && let Some(time) = record.as_ref().ok().and_then(RawRecord::time)
            {
                scans.take_until(time, &mut take);
            }
            take(record);
        });
        let is_behind = number == BATCH;
        if let Some(scans) = scans.filter(|_| !is_behind) {
            scans.take_all(take);
        }
        is_behind
    }

    /// Makes scans look at the processes that are sampled now.
    pub(super) fn follow(&self, targets: &Targets) {
        if let Some(scans) = &self.scans {
            scans.follow(targets);
        }
    }

    /// Sets the mean time between two samples.
    pub(super) fn set_period(&mut self, period: Duration) -> Result<(), RecordError> {
        let changed = self.clocks.set_period(period);
        changed.map_err(|source| RecordError::System {
            doing: "change the rate of the ticks",
            source,
        })
    }

    /// Returns the CPUs that came and went.
    pub(super) fn cpu_changes(&self) -> CpuChanges {
        self.clocks.changes()
    }

    /// Returns what was spent so far.
    pub(super) fn clocks(&self) -> Clocks {
        let scans = self.scans.as_ref();
        Clocks {
            ticks: self.count(Counter::Ticks),
            samples: Duration::from_nanos(
                self.count(Counter::RunTime) + self.count(Counter::ReturnTime),
            ),
            scans: scans.map_or(Duration::ZERO, RunningScans::cpu_time),
        }
    }

    /// Returns one of the eBPF program's counters.
    pub(super) fn count(&self, counter: Counter) -> u64 {
        self.counters.read_one(counter)
    }

    /// Returns all counters, including those of scans from user space.
    pub(super) fn counts(&self) -> CounterValues {
        let mut counts = self.counters.read();
        if let Some(scans) = &self.scans {
            scans.add_to(&mut counts);
        }
        counts
    }

    /// Returns what was counted of scans, if there are any.
    pub(super) fn scan_counts(&self) -> Option<ScanCounts> {
        self.scans.as_ref().map(RunningScans::counts)
    }

    /// Returns why stacks are walked without `bpf_loop`, if they are.
    pub(super) fn without_loop(&self) -> Option<String> {
        self.kernel.walk_backend().without_loop().map(str::to_owned)
    }

    /// Takes no further sample. Returns whether all scans are over.
    pub(super) fn stop(&mut self) -> bool {
        // The last scan accounts for what has not come back.
        self.kernel.stop_returns();
        let are_over = self.scans.as_ref().is_none_or(RunningScans::stop);
        self.clocks.stop();
        are_over
    }
}
