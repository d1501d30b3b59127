//! One run of pyebpf, from its start to its account. It refuses to know
//! what it records and what for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::interrupt;
use super::procfs::{self, RunTime};
use super::target::{end, pid_of};

/// How long pyebpf may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a process that announces nothing.
const LOOK: Duration = Duration::from_millis(2);
/// Rows of a recording that are looked at for their depth.
const ROWS: usize = 200;

/// A pyebpf that records.
pub(super) struct Recorder {
    process: Child,
    output: PathBuf,
    messages: PathBuf,
}

/// What it said at its end.
#[derive(Debug)]
pub(super) struct Account {
    /// Ticks that hit a followed process.
    pub(super) taken: u64,
    /// Of them, those shown with their stack.
    pub(super) shown: u64,
    /// The deepest stack near the start of the recording.
    pub(super) depth: usize,
    /// The most memory it had resident, the writing of the file included, in KiB.
    pub(super) peak_memory: u64,
}

impl Recorder {
    /// Starts recording `processes` and waits until its ticks come.
    pub(super) fn start(
        binary: &Path,
        scratch: &Path,
        hz: u32,
        processes: &[Pid],
    ) -> anyhow::Result<Self> {
        let output = scratch.join("recording.json");
        let list: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let messages = scratch.join("messages");
        let file = fs::File::create(&messages)
            .with_context(|| format!("cannot create {}", messages.display()))?;
        let mut command = Command::new(binary);
        command
            .args(["--quiet", "--hz", &hz.to_string(), "--pid", &list.join(",")])
            .arg("-o")
            .arg(&output)
            .stderr(file);
        let process = interrupt::spawn(&mut command)
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut recorder = Self {
            process,
            output,
            messages,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = recorder.process.try_wait()? {
                bail!("pyebpf did not start ({status}): {}", recorder.said());
            }
            // Until it has its own files open there is nothing to look at.
            if procfs::has_perf_event_link(recorder.pid()).unwrap_or(false) {
                return Ok(recorder);
            }
            if Instant::now() > deadline {
                bail!("pyebpf did not start in {PATIENCE:?}");
            }
            sleep(LOOK);
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.messages).unwrap_or_default()
    }

    /// Its process id.
    pub(super) fn pid(&self) -> Pid {
        pid_of(&self.process)
    }

    /// How often its ticks came so far, and how long they took.
    pub(super) fn ticks(&self) -> anyhow::Result<RunTime> {
        procfs::perf_event_program(self.pid())?.context("pyebpf holds no perf-event program")
    }

    /// Ends the recording and gives its account.
    pub(super) fn finish(mut self) -> anyhow::Result<Account> {
        kill(self.pid(), Signal::SIGINT)?;
        let deadline = Instant::now() + PATIENCE;
        let mut peak_memory = 0;
        let status = loop {
            // The figure only grows, and is gone with the process.
            peak_memory = procfs::peak_memory(self.pid()).unwrap_or(peak_memory);
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!("pyebpf did not end in {PATIENCE:?}");
            }
            sleep(LOOK);
        };
        if !status.success() {
            bail!("pyebpf failed ({status}): {}", self.said());
        }
        let text = fs::read_to_string(&self.output)
            .with_context(|| format!("cannot read {}", self.output.display()))?;
        fs::remove_file(&self.output)?;
        account(&text, peak_memory).context("the recording has no account at its end")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Reads the account in the last row, and the depth in the first ones. Each row
/// has a line of its own, and the rest of a long recording is not parsed.
fn account(text: &str, peak_memory: u64) -> Option<Account> {
    let row = |line: &str| serde_json::from_str::<Value>(line.trim_end_matches(',')).ok();
    let last = text.lines().rev().find_map(row)?;
    let counts = &last[4]["counts"];
    let depths = text.lines().take(ROWS).filter_map(row);
    let depths = depths.filter_map(|row| row[3].as_array().map(Vec::len));
    Some(Account {
        taken: counts["taken"].as_u64()?,
        shown: counts["shown"].as_u64()?,
        depth: depths.max()?,
        peak_memory,
    })
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn the_account_is_in_the_last_row() {
        let text = "[\n[1.5, 7, \"main\", [[\"a\", 1, \"f\", \"\"], [\"a\", 2, \"g\", \"\"]]],\n\
                    [2.5, 7, \"main\", []],\n\
                    [3.5, null, null, [], {\"counts\": {\"taken\": 12, \"shown\": 11}}]\n]\n";
        let account = account(text, 5).expect("a whole recording");
        assert_eq!((account.taken, account.shown, account.depth), (12, 11, 2));
    }

    #[test]
    fn a_recording_that_is_cut_short_has_no_account() {
        assert!(account("[\n[1.5, 7, \"main\", []],\n", 5).is_none());
    }
}
