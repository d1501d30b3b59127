//! A process to sample: started, stopped, asked to work, ended. It refuses to
//! know who samples it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::interrupt;

/// What an asked target did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Units of work.
    pub(super) units: f64,
    /// CPU time that they took, in seconds.
    pub(super) cpu: f64,
    /// Time that passed, in seconds.
    pub(super) wall: f64,
}

impl Work {
    /// What was done since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            units: self.units - earlier.units,
            cpu: self.cpu - earlier.cpu,
            wall: self.wall - earlier.wall,
        }
    }

    /// Units for each second of CPU time.
    pub(super) fn per_cpu_second(self) -> f64 {
        self.units / self.cpu
    }

    /// Units for each second that passed.
    pub(super) fn per_second(self) -> f64 {
        self.units / self.wall
    }
}

/// A Python process; it ends when this is dropped.
pub(super) struct Target {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Target {
    /// Starts `script` of the directory `scripts` and waits until it is ready.
    pub(super) fn start(
        python: &Path,
        scripts: &Path,
        script: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(python);
        command
            .arg(scripts.join(script))
            .args(arguments)
            // An interpreter in a root of its own shows this directory there.
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
        };
        match target.read_line()?.as_str() {
            "ready" => Ok(target),
            _ => bail!("{} did not start {script}", python.display()),
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> Pid {
        pid_of(&self.process)
    }

    /// Stops it and waits until it stands still.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        kill(self.pid(), Signal::SIGSTOP)?;
        match waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED))? {
            WaitStatus::Stopped(..) => Ok(()),
            other => bail!("the target ended when it was to stop: {other:?}"),
        }
    }

    /// Lets it go on.
    pub(super) fn go_on(&self) -> anyhow::Result<()> {
        kill(self.pid(), Signal::SIGCONT).context("cannot continue the target")
    }

    /// How many threads it has now.
    pub(super) fn threads(&self) -> anyhow::Result<usize> {
        let tasks = format!("/proc/{}/task", self.pid());
        let entries = fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))?;
        Ok(entries.count())
    }

    /// Has it work for this much CPU time: a script that works when asked.
    pub(super) fn work(&mut self, cpu_time: Duration) -> anyhow::Result<Work> {
        match self.ask(&cpu_time.as_secs_f64().to_string())? {
            work if work.cpu > 0.0 && work.wall > 0.0 => Ok(work),
            work => bail!("the target worked for no time: {work:?}"),
        }
    }

    /// What it did so far: a script that works all the time. Only what passed
    /// between two of these means something.
    pub(super) fn totals(&mut self) -> anyhow::Result<Work> {
        self.ask("")
    }

    fn ask(&mut self, question: &str) -> anyhow::Result<Work> {
        writeln!(self.input, "{question}")?;
        let line = self.read_line()?;
        let numbers: Vec<f64> = line
            .split(' ')
            .map_while(|number| number.parse().ok())
            .collect();
        match numbers[..] {
            [units, cpu, wall] => Ok(Work { units, cpu, wall }),
            _ => bail!("the target answered {line:?} instead of three numbers"),
        }
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// The process id of a child.
pub(super) fn pid_of(process: &Child) -> Pid {
    // Process ids are below 2^22.
    Pid::from_raw(process.id() as i32)
}

/// Kills a child and waits for it. One that has ended already needs neither.
pub(super) fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}
