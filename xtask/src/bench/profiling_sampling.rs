//! CPython's own `profiling.sampling`, of version 3.15 and later: how it is
//! called, and what its messages mean. It refuses to sample another
//! interpreter than its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use nix::unistd::Pid;

use super::measure::Python;
use super::profiler::{Profiler, Running, Spent, Tally};
use super::session::Session;
use super::target::Target;
use crate::process::probe;

const NAME: &str = "profiling.sampling";
/// Where it writes, since nothing looks at its file. It takes all as `/dev/null`
/// does, and unlike that it is not among the files that processes inherit: that
/// it is open says that sampling begins.
const OUTPUT: &str = "/dev/zero";

/// `python3.15 -m profiling.sampling attach -a`.
pub(super) struct ProfilingSampling {
    executable: String,
}

struct Recording {
    session: Session,
    hz: u32,
}

impl ProfilingSampling {
    /// The one of `python`, where that has it.
    pub(super) fn of(python: &Python) -> Option<Self> {
        probe(Command::new(&python.path).args(["-c", "import profiling.sampling"]))?;
        Some(Self {
            executable: python.executable.clone(),
        })
    }
}

impl Profiler for ProfilingSampling {
    fn name(&self) -> String {
        format!("`{NAME} -a`")
    }

    /// It opens the files that the target has mapped by the names they have for
    /// the target, so it must run where the target does.
    fn start(&self, target: &Target, hz: u32, scratch: &Path) -> anyhow::Result<Box<dyn Running>> {
        let pid = target.pid().to_string();
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &pid,
                "--mount",
                "--root",
                "--",
                &self.executable,
            ])
            .args(["-m", NAME, "attach", "-a", "-r", &hz.to_string()])
            // The format that its manual calls the fast one.
            .args(["--binary", "-o", OUTPUT, &pid])
            // It wants a locale that exists there, and this one always does.
            .env("LC_ALL", "C");
        let session = Session::start(NAME, &mut command, scratch, |process, _| {
            has_opened_output(process)
        })?;
        Ok(Box::new(Recording { session, hz }))
    }
}

impl Running for Recording {
    fn spent(&self) -> anyhow::Result<Spent> {
        Spent::by(&self.session)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<Tally> {
        let said = self.session.finish()?.said;
        tally(&said, f64::from(self.hz))
            .with_context(|| format!("{NAME}'s last words have no account: {said}"))
    }
}

/// It opens its file just before its first pass, and announces nothing.
fn has_opened_output(process: Pid) -> bool {
    let Ok(mut entries) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    // Seen from another mount namespace the path may have a prefix.
    let is_output = |path: PathBuf| path.ends_with(OUTPUT.trim_start_matches('/'));
    entries.any(|entry| {
        let path = entry.and_then(|entry| fs::read_link(entry.path()));
        path.is_ok_and(is_output)
    })
}

/// Reads lines such as `Captured 382 samples in 3.82 seconds`, where a sample is
/// a pass, and `Error rate: 0.25`, which is in percent of them.
fn tally(said: &str, hz: f64) -> Option<Tally> {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let mut words = line("Captured ")?.split_whitespace();
    let attempts: f64 = words.next()?.parse().ok()?;
    let seconds: f64 = words.nth(2)?.parse().ok()?;
    let percent: f64 = line("Error rate: ")?.trim().parse().ok()?;
    let errors = percent / 100.0;
    Some(Tally {
        passes: attempts * (1.0 - errors),
        asked: seconds * hz,
        errors,
    })
}

#[cfg(test)]
mod tests {
    use super::{Tally, tally};

    #[test]
    fn failed_passes_are_no_passes() {
        let said = "Interrupted by user.\nCaptured 400 samples in 5.00 seconds\n\
                    Sample rate: 80.00 samples/sec\nError rate: 25.00\n";
        let expected = Tally {
            passes: 300.0,
            asked: 500.0,
            errors: 0.25,
        };
        assert_eq!(tally(said, 100.0), Some(expected));
    }

    #[test]
    fn without_an_account_there_is_no_tally() {
        assert_eq!(tally("Interrupted by user.\n", 100.0), None);
    }
}
