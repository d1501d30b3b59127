// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs any profiler once, from its start to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::target::{end, pid_of};
use super::{interrupt, procfs};

/// How long a profiler may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long its children may take to end after it.
const CHILDREN: Duration = Duration::from_secs(5);
/// The interval at which a process that announces nothing is polled.
const LOOK: Duration = Duration::from_millis(2);

/// A running profiler; dropping this kills it.
pub(super) struct Session {
    name: &'static str,
    process: Child,
    messages: PathBuf,
}

/// What is known of a profiler that ended as it should.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whether it ended with the other exit status that was allowed.
    pub(super) is_other: bool,
    /// Everything that it printed.
    pub(super) said: String,
    /// Its peak resident memory, in KiB, plus that of its children, read just before
    /// they are ended.
    pub(super) peak_memory: u64,
}

impl Session {
    /// Starts `command` and waits until `has_begun` returns true for its process id and
    /// what it has printed so far.
    pub(super) fn start(
        name: &'static str,
        command: &mut Command,
        scratch: &Path,
        has_begun: impl Fn(Pid, &str) -> bool,
    ) -> anyhow::Result<Self> {
        let messages = scratch.join("messages");
        let file = fs::File::create(&messages)
            .with_context(|| format!("cannot create {}", messages.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let process =
            interrupt::spawn(command).with_context(|| format!("{name} cannot be started"))?;
        let mut session = Self {
            name,
            process,
            messages,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = session.process.try_wait()? {
                bail!("{name} did not start ({status}): {}", session.said());
            }
            if has_begun(session.pid(), &session.said()) {
                return Ok(session);
            }
            if Instant::now() > deadline {
                bail!("{name} did not start in {PATIENCE:?}");
            }
            sleep(LOOK);
        }
    }

    /// The profiler's process id.
    pub(super) fn pid(&self) -> Pid {
        pid_of(&self.process)
    }

    /// Ends the profiler and its children as Ctrl-C would, and waits until everything
    /// is written.
    pub(super) fn finish(self) -> anyhow::Result<Ended> {
        self.finish_or(None)
    }

    /// Like [`Session::finish`], but the exit status `also` counts as success as well.
    pub(super) fn finish_or(mut self, also: Option<i32>) -> anyhow::Result<Ended> {
        let name = self.name;
        let children = procfs::tree(self.pid()).split_off(1);
        let peaks = children.iter().filter_map(|it| procfs::peak_memory(*it));
        let of_children: u64 = peaks.sum();
        for child in &children {
            // It may have ended.
            let _ = kill(*child, Signal::SIGINT);
        }
        kill(self.pid(), Signal::SIGINT).with_context(|| format!("{name} cannot be ended"))?;
        let deadline = Instant::now() + PATIENCE;
        let mut peak_memory = 0;
        let status = loop {
            // The figure only grows, and is lost when the process ends.
            peak_memory = procfs::peak_memory(self.pid()).unwrap_or(peak_memory);
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!("{name} did not end in {PATIENCE:?}");
            }
            sleep(LOOK);
        };
        let ended = Instant::now();
        let is_other = also.is_some() && status.code() == also;
        if !status.success() && !is_other {
            bail!("{name} failed ({status}): {}", self.said());
        }
        // Children write files of their own, and may outlive the profiler. One that
        // does not end is left running, and its file as it is.
        while children
            .iter()
            .any(|it| Path::new(&format!("/proc/{it}")).exists())
            && Instant::now() < deadline.min(ended + CHILDREN)
        {
            sleep(LOOK);
        }
        Ok(Ended {
            is_other,
            said: self.said(),
            peak_memory: peak_memory + of_children,
        })
    }

    fn said(&self) -> String {
        let bytes = fs::read(&self.messages).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}
