//! What takes samples while a recording runs: the ticks of the kernel side, the
//! passes over waiting threads, and the ways their records and counts come here.
//! It refuses to look into a record.

use std::time::Duration;

use sampler_common::counter::Counter;

use super::cost::Clocks;
use super::error::RecordError;
use super::passes::RunningPasses;
use crate::bpf::counters::{CounterValues, Counters};
use crate::bpf::kernel::Kernel;
use crate::bpf::ring::RecordRing;
use crate::report::PassCounts;
use crate::targets::Targets;
use crate::timeline::KernelTime;

/// Records taken in one go, before anything else is looked after.
const BATCH: usize = 4096;

/// Ticks, passes and records.
pub(super) struct Sampling {
    pub(super) kernel: Kernel,
    pub(super) records: RecordRing,
    pub(super) counters: Counters,
    /// Passes over waiting threads.
    pub(super) passes: Option<RunningPasses>,
}

impl Sampling {
    /// Waits until there are records that should be taken, for `at_most` so long.
    pub(super) async fn wait(&mut self, at_most: Duration) {
        self.records.wait(at_most).await;
    }

    /// Hands over records in the order of time. Whether more are there than could
    /// be taken in one go.
    pub(super) fn take_records(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        let passes = self.passes.as_ref();
        let number = self.records.drain(BATCH, |record| {
            if let Some(passes) = passes {
                passes.take_before(record, &mut take);
            }
            take(record);
        });
        let is_behind = number == BATCH;
        if let Some(passes) = passes.filter(|_| !is_behind) {
            passes.take_all(take);
        }
        is_behind
    }

    /// From now on, passes look at the processes that are sampled now.
    pub(super) fn follow(&self, targets: &Targets) {
        if let Some(passes) = &self.passes {
            passes.follow(targets);
        }
    }

    /// From `now` on there is a sample each `period`.
    pub(super) fn set_period(
        &mut self,
        now: KernelTime,
        period: Duration,
    ) -> Result<(), RecordError> {
        self.kernel.set_period(period)?;
        if let Some(passes) = &self.passes {
            passes.set_period(now, period);
        }
        Ok(())
    }

    /// What was spent so far.
    pub(super) fn clocks(&self) -> Clocks {
        let passes = self.passes.as_ref();
        Clocks {
            ticks: self.count(Counter::Ticks),
            samples: Duration::from_nanos(self.count(Counter::RunTime)),
            passes: passes.map_or(Duration::ZERO, RunningPasses::cpu_time),
        }
    }

    /// One of the kernel side's counts.
    pub(super) fn count(&self, counter: Counter) -> u64 {
        self.counters.read_one(counter)
    }

    /// Everything that was counted, by passes from user space too.
    pub(super) fn counts(&self) -> CounterValues {
        let mut counts = self.counters.read();
        if let Some(passes) = &self.passes {
            passes.add_to(&mut counts);
        }
        counts
    }

    /// What was counted of passes, if there are any.
    pub(super) fn pass_counts(&self) -> Option<PassCounts> {
        self.passes.as_ref().map(RunningPasses::counts)
    }

    /// Why stacks are walked without `bpf_loop`, if they are.
    pub(super) fn without_loop(&self) -> Option<String> {
        self.kernel.stepping().without_loop().map(str::to_owned)
    }

    /// Takes no further sample. Whether all passes are over.
    pub(super) fn stop(&mut self) -> bool {
        let are_over = self.passes.as_ref().is_none_or(RunningPasses::stop);
        self.kernel.stop_ticks();
        are_over
    }
}
