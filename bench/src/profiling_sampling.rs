// SPDX-License-Identifier: MIT OR Apache-2.0

//! `profiling.sampling`, the profiler in CPython's library since 3.15: its command
//! line, its messages and its files. It is always run by the target's own interpreter.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::Pid;

use super::judge::{Frame, Stack};
use super::profiler::{Mode, Outcome, Profiler, ProfilerJob, Running, Spent, Taken};
use super::session::Session;
use super::setting::Python;
use xtask::process::probe;

const NAME: &str = "profiling.sampling";
/// The offset of the number of stacks in the header of its file: four bytes in native
/// byte order (`Modules/_remote_debugging/binary_io.h` of 3.15).
const COUNT_AT: usize = 28;

/// `python3.15 -m profiling.sampling attach`.
pub(super) struct ProfilingSampling {
    executable: String,
}

struct RunningSampling {
    session: Session,
    directory: PathBuf,
    replay: Command,
}

impl ProfilingSampling {
    /// Returns the profiler of `python`; `None` if that has none.
    pub(super) fn find_in(python: &Python) -> Option<Self> {
        probe(Command::new(&python.path).args(["-c", "import profiling.sampling"]))?;
        Some(Self {
            executable: python.executable.clone(),
        })
    }

    /// Returns a command that runs it in the root directory of the target: it opens the
    /// files that the target has mapped by the names that they have there.
    fn command(&self, target: Pid) -> Command {
        // It is ended with SIGINT, which a background job would ignore.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT", "nsenter"])
            .args(["--target", &target.to_string(), "--mount", "--root", "--"])
            .args([&self.executable, "-m", NAME])
            // It needs a locale that exists there, and this one always does.
            .env("LC_ALL", "C");
        command
    }
}

impl Profiler for ProfilingSampling {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn options(&self, mode: Mode) -> String {
        match mode {
            Mode::Cpu => "-a --mode cpu".to_owned(),
            Mode::Wall => "-a".to_owned(),
        }
    }

    fn start(&self, order: &ProfilerJob<'_>) -> anyhow::Result<Box<dyn Running>> {
        // It writes one file for each process.
        let directory = order.place.join("profiling");
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir(&directory)?;
        let output = directory.join("profile.bin");
        let mut command = self.command(order.subject.pid());
        command
            .arg("attach")
            .args(self.options(order.mode).split_whitespace())
            // The format that its manual calls the fast one.
            .args(["-r", &order.hz.to_string(), "--binary", "-o"])
            .arg(&output);
        if order.has_children {
            command.arg("--subprocesses");
        }
        command.arg(order.subject.pid().to_string());
        let session = Session::start(NAME, &mut command, order.place, |process, _| {
            has_opened(process, &output)
        })?;
        Ok(Box::new(RunningSampling {
            session,
            directory,
            replay: self.command(order.subject.pid()),
        }))
    }
}

impl Running for RunningSampling {
    fn spent(&self) -> anyhow::Result<Spent> {
        Spent::by(&self.session)
    }

    fn finish(self: Box<Self>, wanted: bool) -> anyhow::Result<Outcome> {
        let ended = self.session.finish()?;
        let (errors, recorded) = account(&ended.said)
            .with_context(|| format!("{NAME}'s last words have no account: {}", ended.said))?;
        let mut count = 0;
        let mut stacks = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // The file of a child that ended together with it may be incomplete.
            count += stacks_of(&fs::read(&path)?).unwrap_or(0);
            if wanted {
                stacks.extend(replayed(&self.replay, &path)?);
            }
        }
        Ok(Outcome {
            taken: Taken::Stacks(f64::from(count)),
            errors,
            recorded: Some(recorded),
            peak_memory: ended.peak_memory,
            stacks,
        })
    }
}

/// Whether it has opened its file, which it does just before its first pass. It prints
/// no message then.
fn has_opened(process: Pid, output: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    // Seen from another mount namespace, the path may have a prefix.
    let name = output.strip_prefix("/").unwrap_or(output);
    entries.any(|entry| {
        let path = entry.and_then(|entry| fs::read_link(entry.path()));
        path.is_ok_and(|path| path.ends_with(name))
    })
}

fn stacks_of(file: &[u8]) -> Option<u32> {
    let bytes = file.get(COUNT_AT..COUNT_AT + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Reads the share of errors and the duration, from lines such as
/// `Captured 382 samples in 3.82 seconds` and `Error rate: 0.25`, which is in percent
/// of its passes.
fn account(said: &str) -> Option<(f64, Duration)> {
    let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
    let seconds: f64 = line("Captured ")?.split_whitespace().nth(3)?.parse().ok()?;
    let percent: f64 = line("Error rate: ")?.trim().parse().ok()?;
    Some((percent / 100.0, Duration::try_from_secs_f64(seconds).ok()?))
}

/// Has the profiler convert its file to text, and reads the stacks.
fn replayed(profiler: &Command, file: &Path) -> anyhow::Result<Vec<Stack>> {
    let text = file.with_extension("txt");
    let mut command = Command::new(profiler.get_program());
    command
        .args(profiler.get_args())
        .args(["replay", "--collapsed", "-o"])
        .arg(&text)
        .arg(file);
    for (name, value) in profiler.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    probe(&mut command)
        .with_context(|| format!("{NAME} cannot read its own {}", file.display()))?;
    let lines = fs::read_to_string(&text)?;
    Ok(lines.lines().filter_map(stack).collect())
}

/// Reads `tid:7;file:name:line;file:name:line count`.
fn stack(line: &str) -> Option<Stack> {
    let (frames, count) = line.rsplit_once(' ')?;
    let frame = |text: &str| {
        let (rest, line) = text.rsplit_once(':')?;
        let (file, function) = rest.rsplit_once(':')?;
        Some(Frame::new(file, function, line.parse().ok()?))
    };
    Some(Stack {
        frames: frames.split(';').filter_map(frame).collect(),
        count: count.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{account, stack, stacks_of};
    use crate::judge::Frame;

    #[test]
    fn its_last_words_have_errors_and_a_time() {
        let said = "Interrupted by user.\nCaptured 400 samples in 5.00 seconds\n\
                    Sample rate: 80.00 samples/sec\nError rate: 25.00\n";
        assert_eq!(account(said), Some((0.25, Duration::from_secs(5))));
        assert_eq!(account("Interrupted by user.\n"), None);
    }

    #[test]
    fn a_line_is_a_stack_without_its_thread() {
        let stack = stack("tid:7;chains.py:<module>:102;chains.py:drive:96 22").expect("whole");
        let frames = [
            Frame::new("chains.py", "<module>", 102),
            Frame::new("chains.py", "drive", 96),
        ];
        assert_eq!((stack.frames, stack.count), (frames.to_vec(), 22));
    }

    #[test]
    fn the_count_is_in_the_header() {
        let mut header = [0; 64];
        header[28..30].copy_from_slice(&[0x4c, 0x04]);
        assert_eq!(stacks_of(&header), Some(1100));
        assert_eq!(stacks_of(&header[..30]), None);
    }
}
