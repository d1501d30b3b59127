// SPDX-License-Identifier: MIT OR Apache-2.0

//! The program under test while it records. Every wait for it has a deadline.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::support::machine::{Machine, slowness};
use crate::support::scratch::Scratch;
use crate::support::timeline::Timeline;

/// How long a recording may run; each is asked to run some seconds, and on a machine that
/// is busy with other things waits for a CPU most of the time. A slow machine has
/// [`slowness`] times as long.
const PATIENCE: Duration = Duration::from_secs(240);

/// What pyebpf says with `-v` when sampling begins.
const STARTED: &str = "sampling has begun";

/// A running pyebpf.
pub(crate) struct Recording {
    child: Child,
    /// The lines of standard error; the channel closes when that does.
    lines: Receiver<String>,
    output: thread::JoinHandle<Vec<u8>>,
    errors: String,
    deadline: Instant,
    pub(crate) directory: Scratch,
}

/// The outcome of a recording.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
    pub(crate) directory: Scratch,
}

/// The name of the timeline in the recording's directory.
pub(crate) const TIMELINE: &str = "trace.json";

/// How pyebpf has to step from frame to frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// As it does by default on this kernel.
    OfThisKernel,
    /// As on kernels without `bpf_loop`.
    GlobalFunctions,
}

impl Recording {
    /// Starts a recording that writes [`TIMELINE`] into a directory of its own.
    pub(crate) fn start<A: AsRef<OsStr>>(machine: &Machine, arguments: &[A]) -> Self {
        Self::start_with(machine, arguments, &[])
    }

    fn start_walking<A: AsRef<OsStr>>(machine: &Machine, arguments: &[A], walk: Walk) -> Self {
        let environment: &[_] = match walk {
            Walk::OfThisKernel => &[],
            Walk::GlobalFunctions => &[("PYEBPF_WALK", "calls")],
        };
        Self::start_with(machine, arguments, environment)
    }

    /// Does the same with these variables in pyebpf's environment.
    pub(crate) fn start_with<A: AsRef<OsStr>>(
        machine: &Machine,
        arguments: &[A],
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = Scratch::new();
        // Other processes of this machine must not make it late.
        let mut command = Command::new("nice");
        command.args(["-n", "-19"]).arg(&machine.pyebpf);
        command
            .arg("-v")
            .arg("-o")
            .arg(directory.path().join(TIMELINE));
        // Tests of a high rate do not test that it is lowered.
        let is_limit = |it: &A| it.as_ref() == "--max-cpu";
        if !arguments.iter().any(is_limit) {
            command.args(["--max-cpu", "off"]);
        }
        command.args(arguments).envs(environment.iter().copied());
        Self::spawn(command, directory)
    }

    /// Starts pyebpf with these arguments only, in a directory of its own.
    pub(crate) fn start_plain<A: AsRef<OsStr>>(machine: &Machine, arguments: &[A]) -> Self {
        let directory = Scratch::new();
        let mut command = Command::new(&machine.pyebpf);
        command.args(arguments);
        Self::spawn(command, directory)
    }

    /// Starts `command` in `directory`.
    pub(crate) fn spawn(mut command: Command, directory: Scratch) -> Self {
        let is_set = |name: &str| command.get_envs().any(|(it, _)| it == name);
        if !is_set("SUDO_UID") {
            // As plain root, even if sudo started the tests.
            command.env_remove("SUDO_UID").env_remove("SUDO_GID");
        }
        let mut child = command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pyebpf ran before");
        let errors = child.stderr.take().expect("it was asked for");
        let mut output = child.stdout.take().expect("it was asked for");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let output = thread::spawn(move || {
            let mut bytes = Vec::new();
            output.read_to_end(&mut bytes).expect("a pipe of ours");
            bytes
        });
        Self {
            child,
            lines,
            output,
            errors: String::new(),
            deadline: Instant::now() + PATIENCE * slowness(),
            directory,
        }
    }

    /// Returns the pid of the process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Interrupts pyebpf if the command only started it as a child.
    pub(crate) fn interrupt_inner(&self) {
        for pid in crate::support::container::children(self.child.id()) {
            let pid = Pid::from_raw(i32::try_from(pid).expect("pids are small"));
            kill(pid, Signal::SIGINT).expect("it runs");
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("pids are small");
        kill(Pid::from_raw(pid), signal).expect("it is our child");
    }

    /// Restarts the deadline, for a recording without a fixed duration.
    pub(crate) fn be_patient(&mut self) {
        self.deadline = Instant::now() + PATIENCE * slowness();
    }

    /// Waits until it samples.
    pub(crate) fn wait_until_it_samples(&mut self) {
        self.wait_for_line(STARTED);
    }

    /// Waits for a line on standard error that contains `text`.
    pub(crate) fn wait_for_line(&mut self, text: &str) {
        loop {
            match self.next_line() {
                Some(line) if line.contains(text) => return,
                Some(_) => {}
                None => panic!("pyebpf never said {text:?}:\n{}", self.errors),
            }
        }
    }

    /// Asks for snapshots until one of them is as `wanted`.
    ///
    /// # Panics
    /// If none is in time.
    pub(crate) fn wait_until_it_shows(&mut self, wanted: impl Fn(&Timeline) -> bool) {
        if !self.errors.contains(STARTED) {
            self.wait_until_it_samples();
        }
        self.be_patient();
        loop {
            self.signal(Signal::SIGUSR1);
            self.wait_for_line("snapshot in");
            let text = fs::read_to_string(self.directory.path().join(TIMELINE));
            let text = text.expect("it was said to be there");
            if Timeline::parse(&text).is_ok_and(|timeline| wanted(&timeline)) {
                return self.be_patient();
            }
        }
    }

    fn next_line(&mut self) -> Option<String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.errors.push_str(&line);
                self.errors.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let threads = threads(self.child.id());
                self.child.kill().expect("it is our child");
                panic!(
                    "pyebpf did not end in time; its threads: {threads}\nit said:\n{}",
                    self.errors
                );
            }
        }
    }

    /// Waits until pyebpf ends.
    ///
    /// # Panics
    /// If it does not end in time, if it panicked, or if its sandbox blocked something.
    pub(crate) fn finish(mut self) -> Finished {
        while self.next_line().is_some() {}
        let status = self.child.wait().expect("it is our child");
        let Self {
            output,
            errors,
            directory,
            ..
        } = self;
        assert!(!errors.contains("panicked"), "{errors}");
        assert!(!errors.contains("sandbox blocked"), "{errors}");
        Finished {
            status,
            output: output.join().expect("it only reads"),
            errors,
            directory,
        }
    }
}

impl Finished {
    /// Returns the path of a file in the recording's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Reads the timeline that pyebpf wrote, which must keep every rule of the format.
    pub(crate) fn timeline(&self) -> Result<Timeline, String> {
        if !self.status.success() {
            return Err(format!("it ended with {}:\n{}", self.status, self.errors));
        }
        let text = fs::read_to_string(self.path(TIMELINE));
        let text = text.map_err(|error| format!("{TIMELINE}: {error}\n{}", self.errors))?;
        Timeline::parse(&text)
    }
}

/// Records one process for `duration` at `hz`, and returns the timeline. On a slow
/// machine the recording is longer and the rate lower; see [`pace`].
pub(crate) fn record(
    machine: &Machine,
    pid: u32,
    hz: u32,
    duration: Duration,
) -> Result<Timeline, String> {
    record_walking(machine, pid, hz, duration, Walk::OfThisKernel)
}

/// Does the same, with a given way to step from frame to frame.
pub(crate) fn record_walking(
    machine: &Machine,
    pid: u32,
    hz: u32,
    duration: Duration,
    walk: Walk,
) -> Result<Timeline, String> {
    let mut arguments: Vec<OsString> = vec!["--pid".into(), pid.to_string().into()];
    arguments.extend(pace(hz, duration).map(OsString::from));
    let mut recording = Recording::start_walking(machine, &arguments, walk);
    recording.deadline += duration * slowness();
    walked(&recording.finish(), walk)
}

/// Returns the timeline of a recording that had to walk in a given way.
fn walked(finished: &Finished, walk: Walk) -> Result<Timeline, String> {
    let timeline = finished.timeline()?;
    let is_named = finished
        .errors
        .contains("walked without bpf_loop: PYEBPF_WALK");
    if walk == Walk::GlobalFunctions && !(is_named && timeline.count("walked_without_loop") == 1) {
        return Err(format!(
            "it was not walked without bpf_loop: {}",
            finished.errors
        ));
    }
    Ok(timeline)
}

/// Records one process at `hz` until it has used `work` of CPU time, however long that
/// takes, and returns the timeline. On a slow machine the rate is lower, and the work as
/// much more.
pub(crate) fn record_work(
    machine: &Machine,
    pid: u32,
    hz: u32,
    work: Duration,
    walk: Walk,
) -> Result<Timeline, String> {
    let [hz_option, hz, ..] = pace(hz, work);
    let arguments = ["--pid".to_owned(), pid.to_string(), hz_option, hz];
    let mut recording = Recording::start_walking(machine, &arguments, walk);
    recording.wait_until_it_samples();
    until_busy(pid, work * slowness());
    recording.be_patient();
    recording.signal(Signal::SIGINT);
    walked(&recording.finish(), walk)
}

/// Returns the arguments for a rate and a duration, adapted to the machine's slowness:
/// as many samples, over a longer time.
pub(crate) fn pace(hz: u32, duration: Duration) -> [String; 4] {
    let slowness = slowness();
    [
        "--hz".to_owned(),
        (hz / slowness).max(1).to_string(),
        "--duration".to_owned(),
        format!("{}ms", (duration * slowness).as_millis()),
    ]
}

/// Returns the CPU time that a process has used.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let pid = i32::try_from(pid).expect("pids are small");
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).expect("it runs");
    clock.now().expect("it runs").into()
}

/// Waits until a process has used `time` more CPU time.
pub(crate) fn until_busy(pid: u32, time: Duration) {
    /// How often it is looked at towards the end.
    const OFTEN: Duration = Duration::from_micros(200);
    let cpus = thread::available_parallelism().map_or(1, |it| it.get() as u32);
    let enough = cpu_time(pid) + time;
    loop {
        let left = enough.saturating_sub(cpu_time(pid));
        if left.is_zero() {
            return;
        }
        // Its clock ends with it, and whoever waits for that clock is not told. It cannot
        // have used so much any sooner.
        thread::sleep((left / cpus).max(OFTEN));
    }
}

/// Returns what the threads of a process do, from `/proc`.
fn threads(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let mut text = String::new();
    for task in tasks.into_iter().flatten().flatten() {
        for file in ["comm", "wchan", "syscall", "schedstat", "stack"] {
            let read = fs::read_to_string(task.path().join(file)).unwrap_or_default();
            text.push_str(&format!("\n  {file}: {}", read.trim()));
        }
    }
    text
}
