// SPDX-License-Identifier: MIT OR Apache-2.0

//! py-spy: its command line, its messages and its files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::interrupt;
use super::judge::{Frame, Stack};
use super::profiler::{Mode, Outcome, Profiler, ProfilerJob, Running, Spent, Taken};
use super::session::Session;
use super::subject::Subject as _;
use super::target::Target;

/// `py-spy record`.
pub(super) struct PySpy {
    /// Path of the program.
    pub(super) binary: PathBuf,
    /// Its version.
    pub(super) version: String,
    /// Whether it stops the target while it samples it.
    pub(super) is_blocking: bool,
}

struct RunningPySpy {
    session: Session,
    output: PathBuf,
    threads: f64,
}

impl Profiler for PySpy {
    fn name(&self) -> String {
        format!("py-spy {}", self.version)
    }

    fn options(&self, mode: Mode) -> String {
        let mode = match mode {
            Mode::Cpu => "",
            Mode::Wall => "--idle",
        };
        let way = if self.is_blocking {
            ""
        } else {
            "--nonblocking"
        };
        format!("{mode} {way}").trim().to_owned()
    }

    /// The non-blocking mode is measured only where all threads are sampled.
    fn has(&self, mode: Mode) -> bool {
        self.is_blocking || mode == Mode::Wall
    }

    fn start(&self, order: &ProfilerJob<'_>) -> anyhow::Result<Box<dyn Running>> {
        let output = order.place.join("py-spy.txt");
        let mut command = Command::new(&self.binary);
        command
            // The format that costs it least.
            .args(["record", "--format", "raw"])
            .args(["--rate", &order.hz.to_string()])
            .args(["--pid", &order.subject.pid().to_string()])
            .arg("--output")
            .arg(&output)
            .args(self.options(order.mode).split_whitespace());
        if order.has_children {
            command.arg("--subprocesses");
        }
        let session = Session::start("py-spy", &mut command, order.place, |_, said| {
            said.contains("Sampling process")
        })?;
        Ok(Box::new(RunningPySpy {
            session,
            output,
            threads: super::procfs::threads_of_tree(order.subject.pid()) as f64,
        }))
    }
}

impl Running for RunningPySpy {
    fn spent(&self) -> anyhow::Result<Spent> {
        Spent::by(&self.session)
    }

    fn finish(self: Box<Self>, wanted: bool) -> anyhow::Result<Outcome> {
        let ended = self.session.finish()?;
        let (taken, errors) = tally(&ended.said, self.threads)
            .with_context(|| format!("py-spy's last words have no account: {}", ended.said))?;
        // If it saw no stack, it writes no file.
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        let _ = fs::remove_file(&self.output);
        Ok(Outcome {
            taken,
            errors,
            recorded: None,
            peak_memory: ended.peak_memory,
            stacks: if wanted {
                text.lines().filter_map(stack).collect()
            } else {
                Vec::new()
            },
        })
    }
}

/// Reads its counts. It counts stacks, but only one error for a whole pass that it
/// discards, so errors are a share of passes.
fn tally(said: &str, threads: f64) -> Option<(Taken, f64)> {
    let stacks = number_after(said, "Samples: ")?;
    let errors = number_after(said, "Errors: ")?;
    let attempts = stacks / threads + errors;
    let share = if attempts > 0.0 {
        errors / attempts
    } else {
        0.0
    };
    Some((Taken::Stacks(stacks), share))
}

fn number_after(said: &str, name: &str) -> Option<f64> {
    let (_, rest) = said.rsplit_once(name)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Reads `name (file:line);name (file:line) count`; a file's name may contain blanks.
fn stack(line: &str) -> Option<Stack> {
    let (frames, count) = line.rsplit_once(' ')?;
    let frame = |text: &str| {
        let (function, place) = text.strip_suffix(')')?.split_once(" (")?;
        let (file, line) = place.rsplit_once(':')?;
        Some(Frame::new(file, function, line.parse().ok()?))
    };
    Some(Stack {
        frames: frames.split(';').filter_map(frame).collect(),
        count: count.parse().ok()?,
    })
}

/// Whether py-spy finds the function `name` on a stack of `target`, which it cannot if
/// it does not support that version of Python.
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
    use super::{stack, tally};
    use crate::judge::Frame;
    use crate::profiler::Taken;

    #[test]
    fn stacks_are_counted_by_thread_and_errors_by_pass() {
        let said = "py-spy> Sampling process 50 times a second. Press Control-C to exit.\n\n\
                    py-spy> Wrote raw flamegraph data to '/x'. Samples: 420 Errors: 5\n\
                    py-spy> You can use the flamegraph.pl script\n";
        assert_eq!(tally(said, 21.0), Some((Taken::Stacks(420.0), 0.2)));
        assert_eq!(tally("py-spy> Sampling process", 1.0), None);
    }

    #[test]
    fn a_line_of_its_file_is_a_stack() {
        let stack = stack("<module> (chains.py:102);made_1 (<made 1>:3) 12").expect("whole");
        let frames = [
            Frame::new("chains.py", "<module>", 102),
            Frame::new("<made 1>", "made_1", 3),
        ];
        assert_eq!((stack.frames, stack.count), (frames.to_vec(), 12));
    }
}
