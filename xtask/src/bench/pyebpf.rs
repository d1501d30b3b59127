//! pyebpf's wall-clock mode as one profiler among others. It refuses to leave
//! out what no process is charged for.

use std::path::{Path, PathBuf};

use super::procfs;
use super::profiler::{Profiler, Running, Spent, Tally};
use super::recorder::{Account, Recorder};
use super::target::Target;

/// What pyebpf counts of samples that it took and does not show whole or not at
/// all.
const ERRORS: [&str; 4] = ["refused", "truncated", "cut_by_fault", "lost"];

/// `pyebpf --mode wall`.
pub(super) struct Wall {
    /// The program.
    pub(super) binary: PathBuf,
}

impl Profiler for Wall {
    fn name(&self) -> String {
        "pyebpf `--mode wall`".to_owned()
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn start(&self, target: &Target, hz: u32, scratch: &Path) -> anyhow::Result<Box<dyn Running>> {
        let processes = [target.pid()];
        let recorder = Recorder::start_mode(&self.binary, scratch, "wall", hz, &processes)?;
        Ok(Box::new(recorder))
    }
}

impl Running for Recorder {
    fn spent(&self) -> anyhow::Result<Spent> {
        Ok(Spent {
            process: procfs::cpu_time_of_tree(self.pid())?,
            uncharged: self.ticks()?.total,
        })
    }

    fn finish(self: Box<Self>) -> anyhow::Result<Tally> {
        let account = Recorder::finish(*self)?;
        anyhow::ensure!(account.taken > 0, "pyebpf took no sample");
        Ok(tally(&account))
    }
}

fn tally(account: &Account) -> Tally {
    let run = account
        .count("passes")
        .saturating_sub(account.count("passes_failed"));
    let errors: u64 = ERRORS.iter().map(|name| account.count(name)).sum();
    Tally {
        passes: run as f64,
        asked: (account.count("passes") + account.count("passes_skipped")) as f64,
        errors: errors as f64 / account.taken as f64,
    }
}
