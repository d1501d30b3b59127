//! A target without a profiler, and beside it in time the same with one. It
//! refuses to know which profiler and which target.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::plan::WallPlan;
use super::profiler::{Profiler, Spent, Tally};
use super::target::{Target, Work};

/// What is sampled, how fast, and where a profiler may write.
pub(super) struct Job<'a> {
    pub(super) target: &'a mut Target,
    pub(super) hz: u32,
    pub(super) scratch: &'a Path,
    pub(super) plan: WallPlan,
}

/// What a profiler cost, and what it did for that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// CPU time in the window.
    pub(super) spent: Spent,
    /// How long the window was.
    pub(super) elapsed: Duration,
    /// The profiler's own account, of its whole run.
    pub(super) tally: Tally,
}

/// The target's work with a profiler, as a ratio to that without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    pub(super) per_cpu_second: f64,
    pub(super) per_second: f64,
}

impl Ratio {
    /// Of two halves of a pair.
    pub(super) fn of(with: Work, without: Work) -> Self {
        Self {
            per_cpu_second: with.per_cpu_second() / without.per_cpu_second(),
            per_second: with.per_second() / without.per_second(),
        }
    }
}

impl Job<'_> {
    /// What the target does unsampled.
    pub(super) fn without(&mut self) -> anyhow::Result<Work> {
        let before = self.target.totals()?;
        sleep(self.plan.window);
        Ok(self.target.totals()?.since(before))
    }

    /// What it does while `profiler` runs, and what that costs. The profiler's
    /// start, its first passes and its end are not in it.
    pub(super) fn with(&mut self, profiler: &dyn Profiler) -> anyhow::Result<(Work, Cost)> {
        let running = profiler.start(self.target, self.hz, self.scratch)?;
        sleep(self.plan.warm_up);
        let before = self.target.totals()?;
        let (spent_before, began) = (running.spent()?, Instant::now());
        sleep(self.plan.window);
        let (spent_after, elapsed) = (running.spent()?, began.elapsed());
        let work = self.target.totals()?.since(before);
        let cost = Cost {
            spent: spent_after.since(spent_before),
            elapsed,
            tally: running.finish()?,
        };
        Ok((work, cost))
    }
}
