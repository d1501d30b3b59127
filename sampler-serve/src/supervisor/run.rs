// SPDX-License-Identifier: MIT OR Apache-2.0

//! The supervisor's loop.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use crate::address::ListenAddress;
use crate::state::directory::{StateDirectory, StateError, StateLock};
use crate::supervisor::child::{Change, Program, Supervised};
use crate::supervisor::listeners::{ListenError, listen};
use crate::supervisor::notify::{News, alive_every, notify};

/// How long a process may take to end when it is asked to: the recorder closes its chunk.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a socket between recorder and front can hold, in bytes; the kernel may grant
/// less.
const SOCKET_BUFFER: usize = 1 << 20;

/// What the supervisor works with.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// The state directory.
    pub state: PathBuf,
    /// Where to listen, unless the service manager has opened sockets.
    pub listen: Vec<ListenAddress>,
    /// The group that may connect to the sockets in the file system.
    pub group: Option<String>,
    /// How the recorder is started.
    pub recorder: Program,
    /// How the front is started.
    pub front: Program,
}

/// Why the server could not be started, or ended.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Something that every system can do failed.
    #[error("cannot {doing}: {source}")]
    System {
        /// What the server was about to do.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A process of the server ended before it was ready; it has printed why.
    #[error("the {name} has not started")]
    NotStarted {
        /// Which one.
        name: &'static str,
        /// Its status.
        status: ExitStatus,
    },
}

/// Runs the server until a signal ends it. `prepared` is called once it listens, with the
/// addresses that it has bound: none if it has the service manager's sockets. `check` says
/// whether the configuration can be read again, after a SIGHUP.
///
/// # Errors
/// [`SupervisorError`]. Once both processes have been ready, no end of either is an error.
pub async fn supervise(
    config: &SupervisorConfig,
    prepared: impl FnOnce(&[ListenAddress]),
    mut check: impl FnMut() -> Result<(), String>,
) -> Result<(), SupervisorError> {
    let state = StateDirectory::open(&config.state)?;
    let lock = state.lock(&config.state)?;
    let (listeners, bound) = listen(&config.listen, config.group.as_deref())?;
    let system = |doing| move |source: io::Error| SupervisorError::System { doing, source };
    let pair = control_pair().map_err(system("make a pair of sockets"))?;
    prepared(bound);
    let mut server = Server {
        state,
        _lock: lock,
        listeners,
        pair,
        recorder: Supervised::new(config.recorder.clone(), Instant::now()),
        front: Supervised::new(config.front.clone(), Instant::now()),
        has_been_ready: false,
    };
    let signals = system("listen for signals");
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(signals)?;
    let outcome = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hang_up.recv() => match check() {
                Ok(()) => server.reload().await,
                Err(error) => warn!("keeps its configuration: {error}"),
            },
            step = server.step() => if let Err(error) = step {
                break Err(error);
            },
        }
    };
    notify(News::Stopping);
    server.stop().await;
    outcome
}

/// Both processes, and what is kept for the next ones.
struct Server {
    state: StateDirectory,
    _lock: StateLock,
    listeners: Vec<OwnedFd>,
    /// The recorder's end, then the front's.
    pair: (OwnedFd, OwnedFd),
    recorder: Supervised,
    front: Supervised,
    has_been_ready: bool,
}

impl Server {
    /// Does what is due, or waits for the next event.
    async fn step(&mut self) -> Result<(), SupervisorError> {
        let now = Instant::now();
        if self.recorder.due().is_some_and(|due| due <= now) {
            let given = [self.pair.0.as_fd()];
            let started = self.recorder.start(&given);
            return Self::started(&mut self.recorder, started, self.has_been_ready);
        }
        if self.front.due().is_some_and(|due| due <= now) {
            let mut given = vec![self.pair.1.as_fd(), self.state.root()];
            given.extend(self.listeners.iter().map(AsFd::as_fd));
            let started = self.front.start(&given);
            return Self::started(&mut self.front, started, self.has_been_ready);
        }
        let due = [self.recorder.due(), self.front.due()];
        let next_start = due.into_iter().flatten().min();
        let (change, is_recorder) = tokio::select! {
            change = self.recorder.change() => (change, true),
            change = self.front.change() => (change, false),
            () = at(next_start) => return Ok(()),
        };
        let changed = if is_recorder {
            &self.recorder
        } else {
            &self.front
        };
        let change = change.map_err(|source| SupervisorError::System {
            doing: "wait for a process of the server",
            source,
        })?;
        match change {
            Change::Ready => {
                info!(process = changed.name(), "ready");
                if self.recorder.is_ready() && self.front.is_ready() {
                    self.has_been_ready = true;
                    notify(News::Ready);
                }
            }
            Change::Alive => self.tell_the_watchdog(),
            Change::Ended {
                status,
                lived,
                was_ready,
            } => {
                let name = changed.name();
                if !was_ready && !self.has_been_ready {
                    return Err(SupervisorError::NotStarted { name, status });
                }
                warn!(process = name, %status, after = ?lived, "ended and is restarted");
            }
        }
        Ok(())
    }

    /// Before the server has been ready, a failure to start ends it.
    fn started(
        process: &mut Supervised,
        started: io::Result<()>,
        has_been_ready: bool,
    ) -> Result<(), SupervisorError> {
        let Err(source) = started else { return Ok(()) };
        if !has_been_ready {
            return Err(SupervisorError::System {
                doing: "start a process of the server",
                source,
            });
        }
        error!(process = process.name(), error = %source, "cannot be started");
        process.failed_to_start();
        Ok(())
    }

    /// A process that hangs, or cannot be started, makes the service manager act.
    fn tell_the_watchdog(&self) {
        if let Some(every) = alive_every()
            && self.recorder.was_alive_within(every)
            && self.front.was_alive_within(every)
        {
            notify(News::Alive);
        }
    }

    /// Restarts both processes, which then read the configuration again.
    async fn reload(&mut self) {
        info!("reading the configuration again");
        notify(News::Reloading);
        self.front.signal(Signal::SIGTERM);
        self.recorder.stop(PATIENCE).await;
        self.front.stop(PATIENCE).await;
    }

    async fn stop(&mut self) {
        let ends = [
            (self.recorder.name(), self.recorder.stop(PATIENCE).await),
            (self.front.name(), self.front.stop(PATIENCE).await),
        ];
        for (process, status) in ends {
            if let Some(status) = status {
                info!(process, %status, "ended");
            }
        }
    }
}

/// Makes the pair of sockets that recorder and front talk over.
fn control_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for end in [&pair.0, &pair.1] {
        sockopt::set_socket_send_buffer_size(end, SOCKET_BUFFER)?;
    }
    Ok(pair)
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
