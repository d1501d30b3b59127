// SPDX-License-Identifier: MIT OR Apache-2.0

//! The supervisor with real processes: this program, started again as recorder and front.

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sampler_serve::address::ListenAddress;
use sampler_serve::protocol::channel::Channel;
use sampler_serve::supervisor::child::Program;
use sampler_serve::supervisor::launch::{LaunchSocket, Word};
use sampler_serve::supervisor::run::{SupervisorConfig, SupervisorError, supervise};

/// Says which part of the server this process plays.
const PART: &str = "PYEBPF_TEST_PART";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The recorder answers each message with its process id. The front takes connections,
/// asks the recorder for each, and passes the answer on with a process id of its own.
/// Both end with the supervisor.
#[test]
#[ignore = "started by the other tests as a part of the server"]
fn part_of_the_server() {
    let part = std::env::var(PART).expect("started by the supervisor");
    if part.starts_with("broken") {
        std::process::exit(3);
    }
    let launch = LaunchSocket::from_standard_input().expect("a socket");
    let mut given = launch
        .receive_descriptors()
        .expect("descriptors")
        .into_iter();
    let control = given.next().expect("the pair's end");
    if part == "front" {
        given.next().expect("the state directory");
    }
    let listener = given.next().map(UnixListener::from);
    runtime().block_on(async {
        let mut channel = Channel::new(control).expect("a channel");
        launch.say(Word::Ready);
        launch.say(Word::Alive);
        let alone = launch.into_socket();
        alone.set_nonblocking(true).expect("a socket");
        let alone = tokio::net::UnixDatagram::from_std(alone).expect("a socket");
        let own = std::process::id();
        match listener {
            None => loop {
                tokio::select! {
                    _ = alone.recv(&mut []) => return,
                    message = channel.receive() => {
                        message.expect("a message");
                        channel.send(own.to_string().as_bytes()).expect("short");
                    }
                }
            },
            Some(listener) => {
                listener.set_nonblocking(true).expect("a socket");
                let listener = tokio::net::UnixListener::from_std(listener).expect("a socket");
                loop {
                    let (stream, _) = tokio::select! {
                        _ = alone.recv(&mut []) => return,
                        accepted = listener.accept() => accepted.expect("a connection"),
                    };
                    channel.send(b"who are you?").expect("short");
                    let recorder = channel.receive().await.expect("an answer");
                    let mut stream = stream.into_std().expect("a socket");
                    stream.set_nonblocking(false).expect("a socket");
                    let recorder = String::from_utf8(recorder).expect("digits");
                    write!(stream, "{recorder} {own}").expect("somebody asks");
                }
            }
        }
    });
}

/// A supervisor in a process of its own: it plays the part `supervisor`.
struct Server {
    process: std::process::Child,
    directory: tempfile::TempDir,
}

fn config(directory: &Path, recorder: &'static str) -> SupervisorConfig {
    let own = std::env::current_exe().expect("we have one");
    let program = |name: &'static str, part: &str| Program {
        name,
        path: PathBuf::from("/usr/bin/env"),
        arguments: vec![
            format!("{PART}={part}").into(),
            own.clone().into(),
            "--ignored".into(),
            "--exact".into(),
            "part_of_the_server".into(),
        ],
    };
    SupervisorConfig {
        state: directory.join("state"),
        listen: vec![ListenAddress::Unix(socket_path(directory))],
        group: None,
        recorder: program("recorder", recorder),
        front: program("front", "front"),
    }
}

fn socket_path(directory: &Path) -> PathBuf {
    directory.join("server.sock")
}

#[test]
#[ignore = "started by the other tests as the server"]
fn the_server() {
    let directory = PathBuf::from(std::env::var("DIRECTORY").expect("set"));
    let config = config(&directory, "recorder");
    let reloads = directory.join("reloads");
    let check = || match std::fs::read_to_string(&reloads) {
        Ok(text) if text == "bad" => Err("it is bad".to_owned()),
        _ => Ok(()),
    };
    runtime()
        .block_on(supervise(&config, |_| (), check))
        .expect("it runs until it is ended");
}

impl Server {
    fn start(environment: &[(&str, &Path)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = std::process::Command::new(std::env::current_exe().expect("ours"));
        command
            .args(["--ignored", "--exact", "the_server"])
            .env("DIRECTORY", directory.path())
            .envs(environment.iter().copied())
            .stdout(std::process::Stdio::null());
        Self {
            process: command.spawn().expect("it starts"),
            directory,
        }
    }

    /// Returns the process ids of recorder and front, as soon as there are any.
    fn ask(&mut self) -> (i32, i32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(pids) = self.ask_once() {
                return pids;
            }
            if let Some(status) = self.process.try_wait().expect("ours") {
                panic!("the server has ended: {status}");
            }
            assert!(Instant::now() < deadline, "nobody answers");
            std::thread::yield_now();
        }
    }

    fn ask_once(&self) -> Option<(i32, i32)> {
        let mut stream = UnixStream::connect(socket_path(self.directory.path())).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (recorder, front) = answer.split_once(' ')?;
        Some((recorder.parse().ok()?, front.parse().ok()?))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).expect("a pid"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Waits until the process has ended. Its parent, the supervisor, may not have reaped it.
fn is_gone(pid: i32) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let pid = Pid::from_raw(pid).expect("a pid");
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return true;
    };
    let patience = Timespec::try_from(PATIENCE).expect("short");
    let mut polled = [PollFd::new(&process, PollFlags::IN)];
    poll(&mut polled, Some(&patience)).expect("it can be waited for") == 1
}

#[test]
fn either_process_is_started_again_and_the_other_goes_on() {
    let mut server = Server::start(&[]);
    let (recorder, front) = server.ask();
    kill(Pid::from_raw(recorder), Signal::SIGKILL).expect("ours");
    assert!(is_gone(recorder));
    let after = server.ask();
    assert!(after.0 != recorder && after.1 == front, "{after:?}");
    kill(Pid::from_raw(front), Signal::SIGKILL).expect("ours");
    assert!(is_gone(front));
    let last = server.ask();
    assert!(last.0 == after.0 && last.1 != front, "{last:?}");
}

#[test]
fn both_processes_end_with_the_supervisor_however_it_ends() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut server = Server::start(&[]);
        let (recorder, front) = server.ask();
        kill(server.pid(), signal).expect("ours");
        let status = server.process.wait().expect("it ends");
        assert_eq!(status.success(), signal == Signal::SIGTERM, "{status}");
        assert!(is_gone(recorder) && is_gone(front), "after {signal}");
    }
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let mut server = Server::start(&[]);
    server.ask();
    let mut second = config(server.directory.path(), "recorder");
    second.listen.clear();
    let refused = runtime().block_on(supervise(&second, |_| (), || Ok(())));
    let error = refused.expect_err("the directory is in use").to_string();
    assert!(error.contains(&server.pid().to_string()), "{error}");
}

#[test]
fn a_recorder_that_cannot_start_ends_the_server_with_its_status() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path(), "broken");
    let outcome = runtime().block_on(supervise(&config, |_| (), || Ok(())));
    match outcome {
        Err(SupervisorError::NotStarted { name, status }) => {
            assert_eq!((name, status.code()), ("recorder", Some(3)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reload_starts_both_again_unless_the_configuration_is_bad() {
    let mut server = Server::start(&[]);
    let before = server.ask();
    std::fs::write(server.directory.path().join("reloads"), "bad").expect("a file");
    kill(server.pid(), Signal::SIGHUP).expect("ours");
    // The next reload is taken after the first one was refused.
    assert_eq!(server.ask(), before);
    std::fs::write(server.directory.path().join("reloads"), "good").expect("a file");
    kill(server.pid(), Signal::SIGHUP).expect("ours");
    assert!(is_gone(before.0) && is_gone(before.1));
    let after = server.ask();
    assert!(after.0 != before.0 && after.1 != before.1);
}

#[test]
fn the_service_manager_hears_of_readiness_life_and_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let every = PathBuf::from(Duration::from_secs(60).as_micros().to_string());
    let server = Server::start(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", &every)]);
    let hear = || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).expect("news");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut heard = Vec::new();
    while !(heard.contains(&"READY=1".to_owned()) && heard.contains(&"WATCHDOG=1".to_owned())) {
        heard.push(hear().trim().to_owned());
    }
    kill(server.pid(), Signal::SIGTERM).expect("ours");
    while hear().trim() != "STOPPING=1" {}
}
