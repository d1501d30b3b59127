// SPDX-License-Identifier: MIT OR Apache-2.0

//! A process of the server: how it is started, what it says, and how it ends.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, socketpair};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::supervisor::backoff::Backoff;
use crate::supervisor::launch::{Word, send_descriptors};

/// The name that `ps` shows instead of `/proc/self/exe`.
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

/// The variable with settings of glibc's allocator.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Has freed memory go back to the system. By default the allocator keeps up to twice the
/// largest block that was ever freed, here the 17 MB of the kernel's types at the start, in each
/// of up to eight arenas for each CPU.
const RETURN_MEMORY: &str = "glibc.malloc.trim_threshold=131072:\
                             glibc.malloc.mmap_threshold=131072:\
                             glibc.malloc.arena_max=2";

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name in messages.
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
    /// How often it was restarted.
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

    /// Whether it has reported anything within `time`.
    pub(super) fn was_alive_within(&self, time: Duration) -> bool {
        let heard = self.running.as_ref().map(|it| it.last_word.elapsed());
        heard.is_some_and(|ago| ago < time)
    }

    /// Starts it and passes the descriptors.
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
        if env::var_os(TUNABLES).is_none() {
            command.env(TUNABLES, RETURN_MEMORY);
        }
        // They wait in the socket: a process may end before it has read anything.
        send_descriptors(ours.as_fd(), descriptors)?;
        let child = command.spawn()?;
        // Drops the supervisor's copy of the other end.
        drop(command);
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

    /// Waits until it reports something or ends; for ever while it does not run.
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
        // Its end may be seen before its last words, however long ago they were said.
        let was_ready = running.is_ready || said_ready(running.socket.as_fd());
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

    /// Stops it: with SIGTERM, and after `patience` with SIGKILL.
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

/// Returns whether what waits in the socket says that the process is ready.
fn said_ready(socket: BorrowedFd<'_>) -> bool {
    let mut bytes = [0; 16];
    loop {
        match rustix::net::recv(socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((length @ 1.., _)) => {
                if bytes.get(..length).and_then(Word::from_bytes) == Some(Word::Ready) {
                    return true;
                }
            }
            // Said once, before what waits, if the process did not read all it was sent.
            Err(Errno::CONNRESET) => {}
            Ok(_) | Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a line of a shell, which says that it is ready, as [`Word::Ready`] does, and ends.
    fn short_lived(line: &str) -> Supervised {
        let program = Program {
            name: "recorder",
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), line.into()],
        };
        Supervised::new(program, Instant::now())
    }

    #[tokio::test]
    async fn a_process_is_told_to_return_memory() {
        let line =
            r#"case "$GLIBC_TUNABLES" in *:glibc.malloc.arena_max=*) printf ready >&0;; esac"#;
        let mut process = short_lived(line);
        process.start(&[]).expect("it starts");
        assert!(was_ready_at_its_end(process).await);
    }

    async fn was_ready_at_its_end(mut process: Supervised) -> bool {
        loop {
            match process.change().await.expect("it can be waited for") {
                Change::Ready | Change::Alive => {}
                Change::Ended { was_ready, .. } => return was_ready,
            }
        }
    }

    #[tokio::test]
    async fn a_process_that_was_ready_is_known_to_have_been_when_its_end_is_seen_first() {
        // Which of the two is looked at first is left to chance.
        for _ in 0..20 {
            let mut process = short_lived("printf ready >&0");
            process.start(&[]).expect("it starts");
            let child = process.running.as_ref().and_then(|it| it.child.id());
            wait_for_end(child.expect("it runs"));
            assert!(was_ready_at_its_end(process).await);
        }
    }

    /// Waits until a child has ended, and leaves it to be reaped by others.
    fn wait_for_end(child: u32) {
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        let child = Pid::from_raw(i32::try_from(child).expect("a pid"));
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(child), flags).expect("ours");
    }
}
