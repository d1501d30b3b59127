// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs pyebpf and reads the account that ends its recording.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use nix::unistd::Pid;
use serde_json::Value;

use super::judge::{Frame, Stack};
use super::procfs::{self, RunTime};
use super::session::Session;

/// How many rows at the start of a recording [`FinalAccount::depth`] is taken from.
const ROWS: usize = 200;

/// pyebpf's exit status if there was no sample, as with a target that gets no CPU.
const NO_SAMPLE: i32 = 4;

/// A pyebpf that is recording.
pub(super) struct Recorder {
    session: Session,
    output: PathBuf,
}

/// What pyebpf reported at its end.
#[derive(Debug)]
pub(super) struct FinalAccount {
    /// Ticks that hit a followed process, and walks of waiting threads.
    pub(super) taken: u64,
    /// Of them, those shown with their stack.
    pub(super) shown: u64,
    /// The number of frames of the deepest stack near the start of the recording.
    pub(super) depth: usize,
    /// Its peak resident memory, including while it writes the file, in KiB.
    pub(super) peak_memory: u64,
    /// The stacks of its rows, if they were wanted.
    pub(super) stacks: Vec<Stack>,
    /// When its first row with a stack begins, in seconds since 1970.
    pub(super) first: Option<f64>,
    /// Everything it counted, by name.
    counts: Value,
}

impl FinalAccount {
    fn of_nothing(peak_memory: u64) -> Self {
        Self {
            taken: 0,
            shown: 0,
            depth: 0,
            peak_memory,
            stacks: Vec::new(),
            first: None,
            counts: Value::Null,
        }
    }

    /// Returns the count `name`; 0 if there is none.
    pub(super) fn count(&self, name: &str) -> u64 {
        self.counts[name].as_u64().unwrap_or(0)
    }
}

impl Recorder {
    /// Starts recording what `processes` run, and waits until pyebpf has opened a perf
    /// event.
    pub(super) fn start(
        binary: &Path,
        scratch: &Path,
        hz: u32,
        processes: &[Pid],
    ) -> anyhow::Result<Self> {
        Self::start_mode(binary, scratch, "cpu", hz, processes)
    }

    /// Like [`Recorder::start`], in any mode, and of the whole host if `processes` is
    /// empty.
    pub(super) fn start_mode(
        binary: &Path,
        scratch: &Path,
        mode: &str,
        hz: u32,
        processes: &[Pid],
    ) -> anyhow::Result<Self> {
        let output = scratch.join("recording.json");
        let list: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let mut command = Command::new(binary);
        command.args(["--quiet", "--mode", mode, "--hz", &hz.to_string()]);
        // Its cost is what the bench measures, so it must not be limited.
        command.args(["--max-cpu", "off"]);
        if !list.is_empty() {
            command.args(["--pid", &list.join(",")]);
        }
        command.arg("-o").arg(&output);
        let session = Session::start("pyebpf", &mut command, scratch, |process, _| {
            // Before it has opened a perf event, there is nothing to measure.
            procfs::has_perf_event(process).unwrap_or(false)
        })?;
        Ok(Self { session, output })
    }

    /// pyebpf's process id.
    pub(super) fn pid(&self) -> Pid {
        self.session.pid()
    }

    /// Returns how many ticks have come so far, and how long the eBPF program ran in
    /// them.
    pub(super) fn ticks(&self) -> anyhow::Result<RunTime> {
        procfs::perf_event_program(self.pid())?.context("pyebpf holds no perf-event program")
    }

    /// Ends the recording and returns its account.
    pub(super) fn finish(self) -> anyhow::Result<FinalAccount> {
        self.finish_with(false)
    }

    /// Like [`Recorder::finish`], with all stacks if they are `wanted`.
    pub(super) fn finish_with(self, wanted: bool) -> anyhow::Result<FinalAccount> {
        let ended = self.session.finish_or(Some(NO_SAMPLE))?;
        if ended.is_other {
            return Ok(FinalAccount::of_nothing(ended.peak_memory));
        }
        let text = fs::read_to_string(&self.output)
            .with_context(|| format!("cannot read {}", self.output.display()))?;
        fs::remove_file(&self.output)?;
        let mut account =
            account(&text, ended.peak_memory).context("the recording has no account at its end")?;
        if wanted {
            account.stacks = rows(&text).filter_map(|row| stack(&row)).collect();
        }
        Ok(account)
    }
}

/// Returns the rows, each of which has a line of its own.
fn rows(text: &str) -> impl DoubleEndedIterator<Item = Value> {
    text.lines()
        .filter_map(|line| serde_json::from_str(line.trim_end_matches(',')).ok())
}

/// Reads the account in the last row, and depth and time from the first ones. The rest
/// of a long recording is not parsed.
fn account(text: &str, peak_memory: u64) -> Option<FinalAccount> {
    let last = rows(text).next_back()?;
    let counts = last[4]["counts"].clone();
    let first = rows(text).find(|row| row[3].as_array().is_some_and(|it| !it.is_empty()));
    let depths = rows(text).take(ROWS);
    let depths = depths.filter_map(|row| row[3].as_array().map(Vec::len));
    Some(FinalAccount {
        taken: counts["taken"].as_u64()?,
        shown: counts["shown"].as_u64()?,
        depth: depths.max()?,
        peak_memory,
        stacks: Vec::new(),
        first: first.and_then(|row| row[0].as_f64()),
        counts,
    })
}

/// Returns the stack of a row; `None` for a gap row, which has none, and for a stack
/// that is marked as incomplete, which is already counted as an error.
fn stack(row: &Value) -> Option<Stack> {
    let frames = row[3].as_array()?;
    let frame = |frame: &Value| {
        let line = frame[1].as_u64().and_then(|line| line.try_into().ok());
        Some(Frame::new(
            frame[0].as_str()?,
            frame[2].as_str()?,
            line.unwrap_or(0),
        ))
    };
    let frames: Vec<_> = frames.iter().filter_map(frame).collect();
    let is_marked = frames.first()?.file.is_empty();
    (!is_marked).then_some(Stack { frames, count: 1 })
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn the_account_is_in_the_last_row() {
        let text = "[\n[1.5, 7, \"main\", [[\"a\", 1, \"f\", \"\"], [\"a\", 2, \"g\", \"\"]]],\n\
                    [2.5, 7, \"main\", []],\n\
                    [3.5, null, null, [], {\"counts\": {\"taken\": 12, \"shown\": 11, \"late\": 1}}]\n]\n";
        let account = account(text, 5).expect("a whole recording");
        assert_eq!((account.taken, account.shown, account.depth), (12, 11, 2));
        assert_eq!((account.count("late"), account.count("passes")), (1, 0));
    }

    #[test]
    fn a_recording_that_is_cut_short_has_no_account() {
        assert!(account("[\n[1.5, 7, \"main\", []],\n", 5).is_none());
    }
}
