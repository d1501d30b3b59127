// SPDX-License-Identifier: MIT OR Apache-2.0

//! A process to sample: starts it, stops it, has it work, and ends it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::subject::{Subject, Work};
use super::{interrupt, procfs};

/// A Python process; dropping this kills it.
pub(super) struct Target {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What it printed after "ready".
    greeting: String,
}

impl Target {
    /// Starts `script` of the directory `scripts` and waits until it is ready.
    pub(super) fn start(
        python: &Path,
        scripts: &Path,
        script: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        Self::start_saying(python, scripts, script, arguments, "ready")
    }

    /// Like [`Target::start`], for a script that prints `word` when it is ready.
    pub(super) fn start_saying(
        python: &Path,
        scripts: &Path,
        script: &str,
        arguments: &[&str],
        word: &str,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(python);
        command
            .arg(scripts.join(script))
            .args(arguments)
            // The wrapper of an interpreter in another root mounts this directory
            // there.
            .env("PYEBPF_SCRIPTS", scripts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = interrupt::spawn(&mut command)
            .with_context(|| format!("cannot start {}", python.display()))?;
        let pipes = (process.stdin.take(), process.stdout.take());
        let (Some(input), Some(output)) = pipes else {
            bail!("a piped input and output can be taken");
        };
        let mut target = Self {
            process,
            input,
            output: BufReader::new(output),
            greeting: String::new(),
        };
        match target.read_line()?.strip_prefix(word) {
            Some(more) => {
                target.greeting = more.trim().to_owned();
                Ok(target)
            }
            None => bail!("{} did not start {script}", python.display()),
        }
    }

    /// Returns what it printed after the word that says that it is ready, such as its
    /// port.
    pub(super) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Stops the process and waits until it has stopped.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        kill(self.pid(), Signal::SIGSTOP)?;
        match waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED))? {
            WaitStatus::Stopped(..) => Ok(()),
            other => bail!("the target ended when it was to stop: {other:?}"),
        }
    }

    /// Continues a stopped process.
    pub(super) fn go_on(&self) -> anyhow::Result<()> {
        kill(self.pid(), Signal::SIGCONT).context("cannot continue the target")
    }

    /// Has the process work for this much CPU time; its script must be one that works
    /// on request.
    pub(super) fn work(&mut self, cpu_time: Duration) -> anyhow::Result<Work> {
        let line = self.ask(&cpu_time.as_secs_f64().to_string())?;
        let numbers: Vec<f64> = line
            .split(' ')
            .map_while(|number| number.parse().ok())
            .collect();
        match numbers[..] {
            [units, cpu, wall] if cpu > 0.0 && wall > 0.0 => Ok(Work { units, cpu, wall }),
            _ => bail!("the target answered {line:?} instead of three numbers"),
        }
    }

    fn ask(&mut self, question: &str) -> anyhow::Result<String> {
        writeln!(self.input, "{question}")?;
        self.read_line()
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Subject for Target {
    fn pid(&self) -> Pid {
        pid_of(&self.process)
    }

    /// Asks for the count so far; the script must be one that works all the time.
    fn units(&mut self) -> anyhow::Result<f64> {
        let line = self.ask("")?;
        let units = line.parse();
        units.with_context(|| format!("the target answered {line:?} instead of a number"))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let children = procfs::tree(self.pid()).split_off(1);
        end(&mut self.process);
        for child in children {
            // Some end by themselves when their parent does.
            let _ = kill(child, Signal::SIGKILL);
        }
    }
}

/// Returns the process id of a child.
pub(super) fn pid_of(process: &Child) -> Pid {
    // Process ids are below 2^22.
    Pid::from_raw(process.id() as i32)
}

/// Kills a child and waits for it. Errors are ignored: one that has ended needs
/// neither.
pub(super) fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}
