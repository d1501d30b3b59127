//! What can be recorded: a process with its children that does countable work.
//! It refuses to know what the work is.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::procfs;

/// A program that works.
pub(super) trait Subject {
    /// Its process, or the first of them.
    fn pid(&self) -> Pid;

    /// Units of work that it did so far.
    fn units(&mut self) -> anyhow::Result<f64>;
}

/// Where a subject's counts stood at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    units: f64,
    cpu: Duration,
    at: Instant,
}

/// What a subject did in some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Units of work.
    pub(super) units: f64,
    /// CPU time that they took, in seconds, of all its processes.
    pub(super) cpu: f64,
    /// Time that passed, in seconds.
    pub(super) wall: f64,
}

impl Totals {
    /// As of now.
    pub(super) fn of(subject: &mut dyn Subject) -> anyhow::Result<Self> {
        let units = subject.units()?;
        let at = Instant::now();
        let cpu = procfs::cpu_time_of_tree(subject.pid())?;
        Ok(Self { units, cpu, at })
    }

    /// What was done since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Work {
        Work {
            units: self.units - earlier.units,
            cpu: self.cpu.saturating_sub(earlier.cpu).as_secs_f64(),
            wall: self.at.duration_since(earlier.at).as_secs_f64(),
        }
    }
}

impl Work {
    /// Units for each second of CPU time.
    pub(super) fn per_cpu_second(self) -> f64 {
        self.units / self.cpu
    }

    /// Units for each second that passed.
    pub(super) fn per_second(self) -> f64 {
        self.units / self.wall
    }
}
