// SPDX-License-Identifier: MIT OR Apache-2.0

//! Austin, a sampling profiler: its command line, the message that shows that it has
//! started, and the MOJO file that it writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;

use super::mojo::{self, Mojo};
use super::profiler::{Mode, Outcome, Profiler, ProfilerJob, Running, Spent, Taken};
use super::session::Session;
use super::target::Target;

/// Austin's exit status after SIGINT.
const INTERRUPTED: i32 = 254;
/// How long [`Austin::can_read`] records.
const TRIAL: Duration = Duration::from_millis(500);

/// `austin -p PID`.
pub(super) struct Austin {
    /// Path of the program.
    pub(super) binary: PathBuf,
    /// Its version.
    pub(super) version: &'static str,
}

struct RunningAustin {
    session: Session,
    output: PathBuf,
}

impl Austin {
    /// Whether Austin can record `target`, which depends on the C library and the
    /// version of Python there.
    pub(super) fn can_read(&self, target: &Target, place: &Path) -> bool {
        let order = ProfilerJob {
            subject: target,
            mode: Mode::Wall,
            hz: 100,
            has_children: false,
            place,
        };
        let Ok(recording) = self.record(&order) else {
            return false;
        };
        sleep(TRIAL);
        let ended = recording.end();
        ended.is_ok_and(|(_, mojo)| mojo.stacks.iter().any(|it| !it.frames.is_empty()))
    }

    /// Starts Austin in the mount namespace and root directory of the target, which
    /// hold the C library and the files that it looks for. The program itself is not
    /// there, so the shell opens it first, as file descriptor 3.
    fn record(&self, order: &ProfilerJob<'_>) -> anyhow::Result<RunningAustin> {
        let output = order.place.join("austin.mojo");
        let pid = order.subject.pid().to_string();
        let interval = format!("{}us", 1_000_000 / order.hz);
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "program=$1; shift; exec nsenter \"$@\" 3<\"$program\"",
                "sh",
            ])
            .arg(&self.binary)
            .args([
                "--target",
                &pid,
                "--mount",
                "--root",
                "--",
                "/proc/self/fd/3",
            ])
            .args(["-i", &interval, "-p", &pid, "-o"])
            .arg(&output);
        if order.mode == Mode::Cpu {
            command.arg("-c");
        }
        if order.has_children {
            command.arg("-C");
        }
        let session = Session::start("austin", &mut command, order.place, |_, said| {
            said.contains("version:")
        })?;
        Ok(RunningAustin { session, output })
    }
}

impl Profiler for Austin {
    fn name(&self) -> String {
        format!("Austin {}", self.version)
    }

    fn options(&self, mode: Mode) -> String {
        match mode {
            Mode::Cpu => "-c".to_owned(),
            Mode::Wall => String::new(),
        }
    }

    fn start(&self, order: &ProfilerJob<'_>) -> anyhow::Result<Box<dyn Running>> {
        Ok(Box::new(self.record(order)?))
    }
}

impl RunningAustin {
    fn end(self) -> anyhow::Result<(u64, Mojo)> {
        let ended = self.session.finish_or(Some(INTERRUPTED))?;
        let bytes = fs::read(&self.output)
            .with_context(|| format!("cannot read {}", self.output.display()))?;
        fs::remove_file(&self.output)?;
        let mojo = mojo::read(&bytes).context("Austin's file is not whole")?;
        Ok((ended.peak_memory, mojo))
    }
}

impl Running for RunningAustin {
    fn spent(&self) -> anyhow::Result<Spent> {
        Spent::by(&self.session)
    }

    fn finish(self: Box<Self>, wanted: bool) -> anyhow::Result<Outcome> {
        let (peak_memory, mojo) = self.end()?;
        outcome(mojo, peak_memory, wanted).context("Austin's file has no account")
    }
}

/// Reads the account in the file's metadata. `errors` is such as `3/200`, of which the
/// second number counts all stacks.
fn outcome(mojo: Mojo, peak_memory: u64, wanted: bool) -> Option<Outcome> {
    let (errors, all) = mojo.metadata.get("errors")?.split_once('/')?;
    let (errors, all): (f64, f64) = (errors.parse().ok()?, all.parse().ok()?);
    let microseconds: u64 = mojo.metadata.get("duration")?.parse().ok()?;
    let with_frames = mojo.stacks.iter().filter(|it| !it.frames.is_empty());
    Some(Outcome {
        taken: Taken::Stacks(with_frames.count() as f64),
        errors: if all > 0.0 { errors / all } else { 0.0 },
        recorded: Some(Duration::from_micros(microseconds)),
        peak_memory,
        stacks: if wanted { mojo.stacks } else { Vec::new() },
    })
}
