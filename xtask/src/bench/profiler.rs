//! What the bench asks of any profiler: to record a target, to say what that has
//! cost so far, and what came of it. It refuses to know any of them.

use std::path::Path;
use std::time::Duration;

use super::judge::Stack;
use super::procfs;
use super::session::Session;
use super::subject::Subject;

/// Which threads are wanted at each look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Those that run.
    Cpu,
    /// All of them.
    Wall,
}

impl Mode {
    /// As tables and options say it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
        }
    }
}

/// What is to be recorded, and how.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    /// A process and its children.
    pub(super) subject: &'a dyn Subject,
    /// Which of its threads.
    pub(super) mode: Mode,
    /// Looks a second.
    pub(super) hz: u32,
    /// Whether it has children, which some profilers must be told.
    pub(super) has_children: bool,
    /// A directory that the profiler and the target see under the same path.
    pub(super) place: &'a Path,
}

/// A profiler that can be run again and again.
pub(super) trait Profiler {
    /// Its name and version.
    fn name(&self) -> String;

    /// The options that make it do what is ordered, as tables show them.
    fn options(&self, mode: Mode) -> String;

    /// Whether it has this mode.
    fn has(&self, _mode: Mode) -> bool {
        true
    }

    /// Whether it is the one that the bench is about: it has limits to reach, and
    /// the bench fails where it does.
    fn is_ours(&self) -> bool {
        false
    }

    /// How often it wakes up where it does not at every look: it is measured for whole
    /// multiples of that, so that no window has more or less of it than its share.
    fn rhythm(&self) -> Option<Duration> {
        None
    }

    /// Starts it and waits until it has begun.
    fn start(&self, order: &Order<'_>) -> anyhow::Result<Box<dyn Running>>;
}

/// One that records.
pub(super) trait Running {
    /// What it has cost since its start.
    fn spent(&self) -> anyhow::Result<Spent>;

    /// Ends it and gives its own account, and its stacks as well if they are
    /// `wanted`.
    fn finish(self: Box<Self>, wanted: bool) -> anyhow::Result<Outcome>;
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Of its threads and those of its children.
    pub(super) process: Duration,
    /// Of what it runs in the kernel that no process is charged for.
    pub(super) uncharged: Duration,
    /// How the first divides between its own code and the kernel.
    pub(super) division: Division,
}

/// CPU time in the kernel's coarse units, by where it was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Division {
    /// In its own code.
    pub(super) user: u64,
    /// In the kernel.
    pub(super) system: u64,
}

impl Spent {
    /// What was added to `earlier`.
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

    /// Of a profiler that is nothing but processes.
    pub(super) fn by(session: &Session) -> anyhow::Result<Self> {
        Ok(Self {
            process: procfs::cpu_time_of_tree(session.pid())?,
            uncharged: Duration::ZERO,
            division: procfs::division_of_tree(session.pid()),
        })
    }
}

/// What a profiler said of one recording.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Stacks that it recorded.
    pub(super) taken: Taken,
    /// The share of what it took that it could not use, 0 to 1: of stacks where
    /// it counts stacks, of passes otherwise.
    pub(super) errors: f64,
    /// How long it says that it recorded.
    pub(super) recorded: Option<Duration>,
    /// The most memory it had resident, in KiB.
    pub(super) peak_memory: u64,
    /// What it recorded, where that was wanted.
    pub(super) stacks: Vec<Stack>,
}

/// What a profiler counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Taken {
    /// Stacks of threads.
    Stacks(f64),
    /// Looks at all threads.
    Passes(f64),
}
