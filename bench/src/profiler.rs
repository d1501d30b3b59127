// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the bench asks of any profiler: to record a target, to say what that has cost
//! so far, and to give an account at its end.

use std::path::Path;
use std::time::Duration;

use super::judge::Stack;
use super::procfs::{self, Division};
use super::session::Session;
use super::subject::Subject;

/// Which threads are sampled at each tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Threads that run.
    Cpu,
    /// All threads.
    Wall,
}

impl Mode {
    /// Returns the name that tables and pyebpf's options use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
        }
    }
}

/// What is to be recorded, and how.
#[derive(Clone, Copy)]
pub(super) struct ProfilerJob<'a> {
    /// The process to record, with its children.
    pub(super) subject: &'a dyn Subject,
    /// Which of its threads are recorded.
    pub(super) mode: Mode,
    /// The rate of sampling, in Hz.
    pub(super) hz: u32,
    /// Whether it has children, for which some profilers need an option.
    pub(super) has_children: bool,
    /// A directory that the profiler and the target see under the same path.
    pub(super) place: &'a Path,
}

/// A profiler that can be run repeatedly.
pub(super) trait Profiler {
    /// Returns its name and version.
    fn name(&self) -> String;

    /// Returns the options that select `mode`, as tables show them.
    fn options(&self, mode: Mode) -> String;

    /// Whether it is measured in this mode.
    fn has(&self, _mode: Mode) -> bool {
        true
    }

    /// Whether it is pyebpf, which has limits to reach, and whose failure makes the
    /// bench fail.
    fn is_ours(&self) -> bool {
        false
    }

    /// Returns how often it wakes up, if it does not at every tick. It is measured for
    /// whole multiples of that, so that every window has the same number of wake-ups.
    fn rhythm(&self) -> Option<Duration> {
        None
    }

    /// Starts it and waits until it records.
    fn start(&self, order: &ProfilerJob<'_>) -> anyhow::Result<Box<dyn Running>>;
}

/// A profiler that is recording.
pub(super) trait Running {
    /// Returns what it has cost since its start.
    fn spent(&self) -> anyhow::Result<Spent>;

    /// Ends it and returns its own account, including its stacks if they are `wanted`.
    fn finish(self: Box<Self>, wanted: bool) -> anyhow::Result<Outcome>;
}

/// What a profiler costs: CPU time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Time of its threads and of those of its children.
    pub(super) process: Duration,
    /// Time of what it runs in the kernel that no process is charged for.
    pub(super) uncharged: Duration,
    /// How `process` divides into user mode and the kernel.
    pub(super) division: Division,
}

impl Spent {
    /// Returns what was spent since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        let (now, before) = (self.division, earlier.division);
        Self {
            process: self.process.saturating_sub(earlier.process),
            uncharged: self.uncharged.saturating_sub(earlier.uncharged),
            division: Division {
                user: now.user.saturating_sub(before.user),
                system: now.system.saturating_sub(before.system),
            },
        }
    }

    /// Measures a profiler that runs nothing outside its processes.
    pub(super) fn by(session: &Session) -> anyhow::Result<Self> {
        Ok(Self {
            process: procfs::cpu_time_of_tree(session.pid())?,
            uncharged: Duration::ZERO,
            division: procfs::division_of_tree(session.pid()),
        })
    }
}

/// What a profiler reported about one recording.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// How much it recorded.
    pub(super) taken: Taken,
    /// The share of what it took that it could not use, 0 to 1: of stacks or of scans,
    /// depending on which it counts errors in.
    pub(super) errors: f64,
    /// How long it recorded, if it says so.
    pub(super) recorded: Option<Duration>,
    /// Its peak resident memory, in KiB.
    pub(super) peak_memory: u64,
    /// The stacks that it recorded, if they were wanted.
    pub(super) stacks: Vec<Stack>,
}

/// The unit in which a profiler counts what it records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Taken {
    /// Stacks of threads.
    Stacks(f64),
    /// Scans of all threads.
    Scans(f64),
}
