// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can be recorded: a process, with its children, that counts the work that it
//! does.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::procfs;

/// A process that works, with its children.
pub(super) trait Subject {
    /// Its process id, or that of its first process.
    fn pid(&self) -> Pid;

    /// Returns the units of work that it has done so far.
    fn units(&mut self) -> anyhow::Result<f64>;
}

/// A subject's cumulative counts at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    units: f64,
    cpu: Duration,
    at: Instant,
}

/// What a subject did between two moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Units of work.
    pub(super) units: f64,
    /// The CPU time of all its processes, in seconds.
    pub(super) cpu: f64,
    /// The time that passed, in seconds.
    pub(super) wall: f64,
}

impl Totals {
    /// Reads the counts as of now.
    pub(super) fn read(subject: &mut dyn Subject) -> anyhow::Result<Self> {
        let units = subject.units()?;
        let at = Instant::now();
        let cpu = procfs::cpu_time_of_tree(subject.pid())?;
        Ok(Self { units, cpu, at })
    }

    /// Returns what was done since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Work {
        Work {
            units: self.units - earlier.units,
            cpu: self.cpu.saturating_sub(earlier.cpu).as_secs_f64(),
            wall: self.at.duration_since(earlier.at).as_secs_f64(),
        }
    }
}

impl Work {
    /// Returns units per second of CPU time.
    pub(super) fn per_cpu_second(self) -> f64 {
        self.units / self.cpu
    }

    /// Returns units per second of elapsed time.
    pub(super) fn per_second(self) -> f64 {
        self.units / self.wall
    }
}
