//! What the bench asks of any profiler: to record one process, to say what that
//! has cost so far, and what came of it. It refuses to know any of them.

use std::path::Path;
use std::time::Duration;

use super::procfs;
use super::session::Session;
use super::target::Target;

/// A profiler that can be run again and again.
pub(super) trait Profiler {
    /// Its name and version or way of working, as tables show it.
    fn name(&self) -> String;

    /// Whether it is the one that the bench is about: it has limits to reach, and
    /// the bench fails where it does.
    fn is_ours(&self) -> bool {
        false
    }

    /// Starts recording all threads of `target`, waiting ones too, `hz` times a
    /// second, and waits until it has begun. `scratch` is for its files.
    fn start(&self, target: &Target, hz: u32, scratch: &Path) -> anyhow::Result<Box<dyn Running>>;
}

/// One that records.
pub(super) trait Running {
    /// What it has cost since its start.
    fn spent(&self) -> anyhow::Result<Spent>;

    /// Ends it and gives its own account.
    fn finish(self: Box<Self>) -> anyhow::Result<Tally>;
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Of its threads and those of its children.
    pub(super) process: Duration,
    /// Of what it runs in the kernel that no process is charged for.
    pub(super) uncharged: Duration,
}

impl Spent {
    /// What was added to `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            process: self.process.saturating_sub(earlier.process),
            uncharged: self.uncharged.saturating_sub(earlier.uncharged),
        }
    }

    /// Of a profiler that is nothing but processes.
    pub(super) fn by(session: &Session) -> anyhow::Result<Self> {
        Ok(Self {
            process: procfs::cpu_time_of_tree(session.pid())?,
            uncharged: Duration::ZERO,
        })
    }
}

/// What a profiler said of one recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tally {
    /// Times that it looked at all threads.
    pub(super) passes: f64,
    /// Times that it should have.
    pub(super) asked: f64,
    /// The share of what it took that it could not use, 0 to 1: of stacks where
    /// it counts stacks, of passes otherwise.
    pub(super) errors: f64,
}
