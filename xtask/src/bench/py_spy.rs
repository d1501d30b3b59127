//! py-spy: how it is called, and what its messages mean. It refuses to know
//! where it comes from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::interrupt;
use super::profiler::{Profiler, Running, Spent, Tally};
use super::session::Session;
use super::target::Target;

/// `py-spy record --idle`.
pub(super) struct PySpy {
    /// The program.
    pub(super) binary: PathBuf,
    /// Its version.
    pub(super) version: String,
    /// Whether it stops the target while it looks.
    pub(super) is_blocking: bool,
}

struct Recording {
    session: Session,
    threads: f64,
    hz: u32,
}

impl Profiler for PySpy {
    fn name(&self) -> String {
        let option = if self.is_blocking {
            ""
        } else {
            " --nonblocking"
        };
        format!("py-spy {} `--idle{option}`", self.version)
    }

    fn start(&self, target: &Target, hz: u32, scratch: &Path) -> anyhow::Result<Box<dyn Running>> {
        let mut command = Command::new(&self.binary);
        // The format that costs it least.
        command
            .args(["record", "--idle", "--format", "raw"])
            .args([
                "--rate",
                &hz.to_string(),
                "--pid",
                &target.pid().to_string(),
            ])
            .arg("--output")
            .arg(scratch.join("py-spy.txt"));
        if !self.is_blocking {
            command.arg("--nonblocking");
        }
        let session = Session::start("py-spy", &mut command, scratch, |_, said| {
            said.contains("Sampling process")
        })?;
        Ok(Box::new(Recording {
            session,
            threads: target.threads()? as f64,
            hz,
        }))
    }
}

impl Running for Recording {
    fn spent(&self) -> anyhow::Result<Spent> {
        Spent::by(&self.session)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<Tally> {
        let ended = self.session.finish()?;
        let asked = ended.elapsed.as_secs_f64() * f64::from(self.hz);
        tally(&ended.said, self.threads, asked)
            .with_context(|| format!("py-spy's last words have no account: {}", ended.said))
    }
}

/// It counts stacks, one for each thread in each pass, but an error once for a
/// whole pass that it throws away.
fn tally(said: &str, threads: f64, asked: f64) -> Option<Tally> {
    let passes = number_after(said, "Samples: ")? / threads;
    let errors = number_after(said, "Errors: ")?;
    let attempts = passes + errors;
    Some(Tally {
        passes,
        asked,
        errors: if attempts > 0.0 {
            errors / attempts
        } else {
            0.0
        },
    })
}

fn number_after(said: &str, name: &str) -> Option<f64> {
    let (_, rest) = said.rsplit_once(name)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Whether it finds the function `name` on a stack of `target`: it may not know
/// the version of Python.
pub(super) fn can_read(binary: &Path, target: &Target, name: &str) -> anyhow::Result<bool> {
    let mut command = Command::new(binary);
    command
        .args(["dump", "--pid", &target.pid().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let output = interrupt::spawn(&mut command)
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("cannot start {}", binary.display()))?;
    Ok(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(name))
}

#[cfg(test)]
mod tests {
    use super::{Tally, tally};

    #[test]
    fn stacks_are_counted_by_thread_and_errors_by_pass() {
        let said = "py-spy> Sampling process 50 times a second. Press Control-C to exit.\n\n\
                    py-spy> Wrote raw flamegraph data to '/x'. Samples: 420 Errors: 5\n\
                    py-spy> You can use the flamegraph.pl script\n";
        let expected = Tally {
            passes: 20.0,
            asked: 30.0,
            errors: 0.2,
        };
        assert_eq!(tally(said, 21.0, 30.0), Some(expected));
    }

    #[test]
    fn without_an_account_there_is_no_tally() {
        assert_eq!(tally("py-spy> Sampling process", 1.0, 1.0), None);
    }
}
