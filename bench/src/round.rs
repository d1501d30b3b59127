// SPDX-License-Identifier: MIT OR Apache-2.0

//! One round: measures a target without a profiler and, close to that in time, with one.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::plan::Rounds;
use super::procfs;
use super::profiler::{Mode, Outcome, Profiler, ProfilerJob, Spent, Taken};
use super::subject::{Subject, Totals, Work};

/// What is recorded, how, and where a profiler may write.
pub(super) struct Job<'a> {
    pub(super) subject: &'a mut dyn Subject,
    pub(super) has_children: bool,
    pub(super) place: &'a Path,
    pub(super) plan: Rounds,
}

/// What a profiler cost in one round, and what it recorded.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    /// CPU time in the window.
    pub(super) spent: Spent,
    /// The length of the window.
    pub(super) window: Duration,
    /// Stacks per second of recording.
    pub(super) stacks_per_second: f64,
    /// Stacks per second that there were to record: one of each thread at each tick, or
    /// with [`Mode::Cpu`] as many as fit into the target's CPU time.
    pub(super) asked_per_second: f64,
    /// The profiler's own account.
    pub(super) outcome: Outcome,
}

/// The target's work with a profiler, as a ratio to its work without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    pub(super) per_cpu_second: f64,
    pub(super) per_second: f64,
}

impl Ratio {
    /// Compares work with a profiler with the mean of the work just before and just
    /// after it, so that linear drift cancels out.
    pub(super) fn new(before: Work, with: Work, after: Work) -> Self {
        let mean = |of: fn(Work) -> f64| (of(before) + of(after)) / 2.0;
        Self {
            per_cpu_second: with.per_cpu_second() / mean(Work::per_cpu_second),
            per_second: with.per_second() / mean(Work::per_second),
        }
    }
}

/// Rounds `window` up to a multiple of `rhythm`.
fn whole(window: Duration, rhythm: Option<Duration>) -> Duration {
    let Some(rhythm) = rhythm else { return window };
    let number = window.as_nanos().div_ceil(rhythm.as_nanos());
    rhythm * u32::try_from(number).unwrap_or(u32::MAX)
}

impl Job<'_> {
    /// Returns the target's work while it is not sampled.
    pub(super) fn without(&mut self) -> anyhow::Result<Work> {
        let before = Totals::read(self.subject)?;
        sleep(self.plan.window);
        Ok(Totals::read(self.subject)?.since(before))
    }

    /// Returns the target's work while `profiler` runs, and what that costs. The
    /// profiler's start, warm-up and end are not included.
    pub(super) fn with(
        &mut self,
        profiler: &dyn Profiler,
        mode: Mode,
        hz: u32,
    ) -> anyhow::Result<(Work, Cost)> {
        let window = self.plan.window.max(self.plan.looks / hz);
        let window = whole(window, profiler.rhythm());
        let order = ProfilerJob {
            subject: self.subject,
            mode,
            hz,
            has_children: self.has_children,
            place: self.place,
        };
        let running = profiler.start(&order)?;
        let (cpu_at_start, start) = (
            procfs::cpu_time_of_tree(self.subject.pid())?,
            Instant::now(),
        );
        sleep(if self.has_children {
            // Some profilers start one of their own for each process.
            self.plan.warm_up * 4
        } else {
            self.plan.warm_up
        });
        let before = Totals::read(self.subject)?;
        let (spent_before, began) = (running.spent()?, Instant::now());
        sleep(window);
        let (spent_after, window) = (running.spent()?, began.elapsed());
        let work = Totals::read(self.subject)?.since(before);
        let threads = procfs::threads_of_tree(self.subject.pid()) as f64;
        let cpu = procfs::cpu_time_of_tree(self.subject.pid())?.saturating_sub(cpu_at_start);
        let recorded = start.elapsed().as_secs_f64();
        let outcome = running.finish(false)?;
        let stacks = match outcome.taken {
            Taken::Stacks(stacks) => stacks,
            Taken::Scans(scans) => scans * threads,
        };
        let own = outcome.recorded.map(|time| time.as_secs_f64());
        let wanted = match mode {
            Mode::Cpu => cpu.as_secs_f64() / recorded,
            Mode::Wall => threads,
        };
        let cost = Cost {
            spent: spent_after.since(spent_before),
            window,
            stacks_per_second: stacks / own.unwrap_or(recorded).max(f64::MIN_POSITIVE),
            asked_per_second: wanted * f64::from(hz),
            outcome,
        };
        Ok((work, cost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_whole_rhythms() {
        let ms = Duration::from_millis;
        assert_eq!(whole(ms(350), None), ms(350));
        assert_eq!(whole(ms(350), Some(ms(500))), ms(500));
        assert_eq!(whole(ms(1000), Some(ms(500))), ms(1000));
        assert_eq!(whole(ms(1001), Some(ms(500))), ms(1500));
    }
}
