// SPDX-License-Identifier: MIT OR Apache-2.0

//! A running `pyebpf serve`, asked with `pyebpf ctl`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sampler_trace::container::reader::TraceReader;
use serde_json::Value;

use crate::support::machine::{Machine, slowness};
use crate::support::ordinary::allow;
use crate::support::scratch::Scratch;
use crate::support::target::Target;
use crate::support::timeline::Timeline;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with a socket and a state directory of its own.
pub(super) struct Server {
    machine: &'static Machine,
    child: Child,
    /// Where it tells its service manager how it is.
    manager: UnixDatagram,
    deadline: Instant,
    pub(super) directory: Scratch,
}

impl Server {
    /// Starts a server that samples a process, and waits until it is ready.
    pub(super) fn start(machine: &'static Machine, target: &Target, options: &[&str]) -> Self {
        Self::start_in(machine, Scratch::new(), target, options)
    }

    /// Does the same in a directory that exists.
    pub(super) fn start_in(
        machine: &'static Machine,
        directory: Scratch,
        target: &Target,
        options: &[&str],
    ) -> Self {
        let command = command(machine, &directory, target, options);
        let server = Self::spawn(machine, directory, command);
        server.hear("READY=1");
        server
    }

    /// Starts a server with this command, which is not ready yet.
    pub(super) fn spawn(
        machine: &'static Machine,
        directory: Scratch,
        mut command: Command,
    ) -> Self {
        let notify = directory.path().join("notify");
        let manager = UnixDatagram::bind(&notify).expect("a socket");
        // The server may run as another user.
        allow(&notify, 0o777);
        let deadline = Instant::now() + PATIENCE * slowness();
        let patience = deadline.duration_since(Instant::now());
        manager.set_read_timeout(Some(patience)).expect("a socket");
        let errors = fs::File::create(directory.path().join("errors")).expect("a new file");
        command.env("NOTIFY_SOCKET", &notify).stderr(errors);
        let child = command.spawn().expect("pyebpf ran before");
        Self {
            machine,
            child,
            manager,
            deadline,
            directory,
        }
    }

    /// Waits until it tells its service manager this.
    pub(super) fn hear(&self, news: &str) {
        let mut bytes = [0; 256];
        loop {
            let heard = self.manager.recv(&mut bytes);
            if heard
                .as_ref()
                .is_err_and(|it| it.kind() == ErrorKind::Interrupted)
            {
                continue;
            }
            let length = heard.unwrap_or_else(|error| panic!("{error}: {}", self.errors()));
            let heard = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
            if heard.lines().any(|line| line == news) {
                return;
            }
        }
    }

    /// Waits until it has printed this.
    pub(super) fn wait_for_line(&self, part: &str) {
        while !self.errors().contains(part) {
            assert!(Instant::now() < self.deadline, "{}", self.errors());
            std::thread::yield_now();
        }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Returns what it has printed.
    pub(super) fn errors(&self) -> String {
        fs::read_to_string(self.directory.path().join("errors")).unwrap_or_default()
    }

    /// Runs `pyebpf ctl` with these words.
    pub(super) fn ctl(&self, words: &[&str]) -> Output {
        Command::new(&self.machine.pyebpf)
            .args(["ctl", "--socket"])
            .arg(self.directory.path().join("s"))
            .args(words)
            .current_dir(self.directory.path())
            .output()
            .expect("pyebpf ran before")
    }

    /// Asks for a document, which it must answer.
    pub(super) fn ask(&self, words: &[&str]) -> Value {
        let output = self.ctl(&[words, &["--json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{words:?}: {said} {}",
            self.errors()
        );
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    }

    /// Asks for the status again and again, until `found` returns something.
    pub(super) fn status_when<T>(&self, found: impl Fn(&Value) -> Option<T>) -> T {
        loop {
            let output = self.ctl(&["status", "--json"]);
            let status: Option<Value> = serde_json::from_slice(&output.stdout).ok();
            if let Some(found) = status.as_ref().and_then(&found) {
                return found;
            }
            assert!(
                Instant::now() < self.deadline,
                "{status:?}\n{}",
                self.errors()
            );
        }
    }

    /// Waits until so many samples have arrived since the recorder began.
    pub(super) fn wait_for_samples(&self, number: u64) {
        self.status_when(|status| {
            let taken = status["counters"]["delivered"].as_u64();
            taken.filter(|taken| *taken >= number)
        });
    }

    /// Gets a part of the trace as a timeline, once it has a stack.
    pub(super) fn timeline(&self, options: &[&str]) -> Timeline {
        loop {
            let words = [&["trace", "-o", "t.json"], options].concat();
            let output = self.ctl(&words);
            let said = String::from_utf8_lossy(&output.stderr);
            let text = fs::read_to_string(self.directory.path().join("t.json"));
            let parsed = text.map_err(|error| error.to_string());
            match parsed.and_then(|text| Timeline::parse(&text)) {
                Ok(timeline) if timeline.stacks().next().is_some() => return timeline,
                _ => assert!(Instant::now() < self.deadline, "{said} {}", self.errors()),
            }
        }
    }

    /// Returns the process id of the recorder or the front.
    pub(super) fn part(&self, command: &str) -> Pid {
        loop {
            let own = self.child.id();
            let path = format!("/proc/{own}/task/{own}/children");
            let children = fs::read_to_string(path).expect("it runs");
            let is_it = |pid: &&str| {
                let line = fs::read_to_string(format!("/proc/{pid}/cmdline"));
                line.is_ok_and(|line| line.split('\0').nth(1) == Some(command))
            };
            if let Some(pid) = children.split_ascii_whitespace().find(is_it) {
                return Pid::from_raw(pid.parse().expect("a number"));
            }
            assert!(Instant::now() < self.deadline, "{}", self.errors());
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    /// Ends it, and returns its status and what it has printed.
    pub(super) fn end(mut self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().expect("it ends");
        (status, self.errors())
    }

    /// Returns the chunks, in order.
    pub(super) fn chunks(&self) -> Vec<PathBuf> {
        chunks(&self.directory)
    }
}

/// Returns the chunks in a server's directory, in order.
pub(super) fn chunks(directory: &Scratch) -> Vec<PathBuf> {
    let folder = fs::read_dir(directory.path().join("state/chunks")).expect("it is there");
    let paths = folder.map(|entry| entry.expect("a file").path());
    // What is being written to take the place of one has another name.
    let is_chunk = |path: &PathBuf| path.extension().is_some_and(|it| it == "pyebpf");
    let mut paths: Vec<_> = paths.filter(is_chunk).collect();
    paths.sort();
    paths
}

/// Whether a chunk has its end.
pub(super) fn is_closed(path: &PathBuf) -> bool {
    let file = fs::File::open(path).expect("it is there");
    let mut reader = TraceReader::open(file).expect("it has a header");
    while reader
        .next_segment(|_| Ok::<(), sampler_trace::container::error::TraceError>(()))
        .expect("it is intact")
    {}
    reader.summary().is_some()
}

/// Returns the command that starts a server.
pub(super) fn command(
    machine: &Machine,
    directory: &Scratch,
    target: &Target,
    options: &[&str],
) -> Command {
    // Other processes of this machine must not make it late.
    let mut command = Command::new("nice");
    command
        .args(["-n", "-19"])
        .arg(&machine.pyebpf)
        .args(["serve", "--max-cpu", "off", "--pid"])
        .arg(target.pid().to_string())
        .arg("--listen")
        .arg(format!("unix:{}", directory.path().join("s").display()))
        .arg("--state-dir")
        .arg(directory.path().join("state"))
        .args(options)
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .current_dir(directory.path())
        .stdin(Stdio::null());
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // Recorder and front end with it.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
