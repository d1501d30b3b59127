// SPDX-License-Identifier: MIT OR Apache-2.0

//! A process of the server: how it is started, what it says, and how it ends.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::supervisor::backoff::Backoff;
use crate::supervisor::launch::{Word, send_descriptors};

/// What lists of processes show in place of `/proc/self/exe`.
const NAME: &str = "pyebpf";
/// Variables of the service manager that are meant for the supervisor alone
/// (`sd_notify(3)`, `sd_listen_fds(3)`).
const OF_THE_MANAGER: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is called in messages.
    pub name: &'static str,
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// A process that is started again when it ends.
pub(super) struct Supervised {
    program: Program,
    running: Option<Running>,
    backoff: Backoff,
    /// When it is due to be started, while it does not run.
    due: Instant,
    /// How often it was started again.
    restarts: u64,
}

struct Running {
    child: Child,
    socket: UnixDatagram,
    started: Instant,
    is_ready: bool,
    last_word: Instant,
}

/// What a process did.
#[derive(Debug)]
pub(super) enum Change {
    /// It said that it is ready.
    Ready,
    /// It said that it is alive.
    Alive,
    /// It ended, after it had run for so long.
    Ended {
        status: ExitStatus,
        lived: Duration,
        was_ready: bool,
    },
}

impl Supervised {
    pub(super) fn new(program: Program, now: Instant) -> Self {
        Self {
            program,
            running: None,
            backoff: Backoff::default(),
            due: now,
            restarts: 0,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.program.name
    }

    /// Returns when it is due to be started; `None` while it runs.
    pub(super) fn due(&self) -> Option<Instant> {
        self.running.is_none().then_some(self.due)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.running.as_ref().is_some_and(|it| it.is_ready)
    }

    /// Whether it has said something within `time`.
    pub(super) fn was_alive_within(&self, time: Duration) -> bool {
        let heard = self.running.as_ref().map(|it| it.last_word.elapsed());
        heard.is_some_and(|ago| ago < time)
    }

    /// Starts it and hands the descriptors down.
    pub(super) fn start(&mut self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, its): (OwnedFd, OwnedFd) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let mut command = Command::new(&self.program.path);
        command
            .arg0(NAME)
            .args(&self.program.arguments)
            .stdin(Stdio::from(its));
        for variable in OF_THE_MANAGER {
            command.env_remove(variable);
        }
        let child = command.spawn()?;
        // Drops the supervisor's copy of the other end.
        drop(command);
        send_descriptors(ours.as_fd(), descriptors)?;
        let socket = std::os::unix::net::UnixDatagram::from(ours);
        socket.set_nonblocking(true)?;
        let now = Instant::now();
        self.running = Some(Running {
            child,
            socket: UnixDatagram::from_std(socket)?,
            started: now,
            is_ready: false,
            last_word: now,
        });
        Ok(())
    }

    /// Notes that it could not be started.
    pub(super) fn failed_to_start(&mut self) {
        self.due = Instant::now() + self.backoff.after(Duration::ZERO);
    }

    /// Waits until it says something or ends; for ever while it does not run.
    pub(super) async fn change(&mut self) -> io::Result<Change> {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let mut bytes = [0; 16];
        let status = loop {
            let word = tokio::select! {
                status = running.child.wait() => break status?,
                received = running.socket.recv(&mut bytes) => match received {
                    Ok(0) | Err(_) => {
                        // It has closed its socket, so it is about to end.
                        break running.child.wait().await?;
                    }
                    Ok(length) => bytes.get(..length).and_then(Word::from_bytes),
                },
            };
            let Some(word) = word else { continue };
            running.last_word = Instant::now();
            if word == Word::Ready && !running.is_ready {
                running.is_ready = true;
                return Ok(Change::Ready);
            }
            return Ok(Change::Alive);
        };
        let lived = running.started.elapsed();
        let was_ready = running.is_ready;
        self.running = None;
        self.restarts += 1;
        self.due = Instant::now() + self.backoff.after(lived);
        Ok(Change::Ended {
            status,
            lived,
            was_ready,
        })
    }

    /// Sends it a signal; nothing happens while it does not run.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = self.running.as_ref().and_then(|it| it.child.id());
        if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
            // It is not reaped yet, so the number is still its own.
            kill(Pid::from_raw(pid), signal).ok();
        }
    }

    /// Ends it: asks it, and after `patience` does not ask any longer.
    pub(super) async fn stop(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.signal(Signal::SIGTERM);
        let running = self.running.as_mut()?;
        let ended = tokio::time::timeout(patience, running.child.wait()).await;
        let status = match ended {
            Ok(status) => status.ok(),
            Err(_) => {
                running.child.start_kill().ok();
                running.child.wait().await.ok()
            }
        };
        self.running = None;
        self.due = Instant::now();
        status
    }
}
