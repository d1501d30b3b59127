// SPDX-License-Identifier: MIT OR Apache-2.0

//! pyebpf as one profiler among others. Its cost includes the time of its eBPF program,
//! which no process is charged for.

use std::path::PathBuf;
use std::time::Duration;

use super::procfs;
use super::profiler::{Mode, Outcome, Profiler, ProfilerJob, Running, Spent, Taken};
use super::recorder::{FinalAccount, Recorder};

/// Counts of the samples that pyebpf took but shows cut or not at all.
const ERRORS: [&str; 4] = ["refused", "truncated", "cut_by_fault", "lost"];

/// How long pyebpf leaves records in the ring buffer that are not urgent (`PAUSE` in
/// `record/event_loop.rs`). With few records, it wakes up this often.
pub(super) const RHYTHM: Duration = Duration::from_millis(500);

/// `pyebpf --mode MODE`.
pub(super) struct Pyebpf {
    /// Path of the program.
    pub(super) binary: PathBuf,
}

struct RunningPyebpf {
    recorder: Recorder,
    mode: Mode,
}

impl Profiler for Pyebpf {
    fn name(&self) -> String {
        "pyebpf".to_owned()
    }

    fn options(&self, mode: Mode) -> String {
        match mode {
            Mode::Cpu => String::new(),
            Mode::Wall => "--mode wall".to_owned(),
        }
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn rhythm(&self) -> Option<Duration> {
        Some(RHYTHM)
    }

    fn start(&self, order: &ProfilerJob<'_>) -> anyhow::Result<Box<dyn Running>> {
        let processes = [order.subject.pid()];
        let (mode, place) = (order.mode, order.place);
        let recorder =
            Recorder::start_mode(&self.binary, place, mode.name(), order.hz, &processes)?;
        Ok(Box::new(RunningPyebpf { recorder, mode }))
    }
}

impl Running for RunningPyebpf {
    fn spent(&self) -> anyhow::Result<Spent> {
        self.recorder.spent()
    }

    fn finish(self: Box<Self>, wanted: bool) -> anyhow::Result<Outcome> {
        let account = self.recorder.finish_with(wanted)?;
        Ok(Outcome {
            taken: match self.mode {
                Mode::Cpu => Taken::Stacks(account.shown as f64),
                Mode::Wall => Taken::Scans(scans(&account) as f64),
            },
            errors: errors(&account),
            recorded: None,
            peak_memory: account.peak_memory,
            stacks: account.stacks,
        })
    }
}

impl Recorder {
    /// Returns what it has cost so far.
    pub(super) fn spent(&self) -> anyhow::Result<Spent> {
        Ok(Spent {
            process: procfs::cpu_time_of_tree(self.pid())?,
            uncharged: self.ticks()?.total,
            division: procfs::division_of_tree(self.pid()),
        })
    }
}

/// Returns the number of scans of all threads that succeeded. A scan counts for
/// every thread: one that has not run since the last scan still has the same stack, and
/// is not walked again.
fn scans(account: &FinalAccount) -> u64 {
    let failed = account.count("passes_failed");
    account.count("passes").saturating_sub(failed)
}

fn errors(account: &FinalAccount) -> f64 {
    let errors: u64 = ERRORS.iter().map(|name| account.count(name)).sum();
    errors as f64 / (account.taken as f64).max(1.0)
}
