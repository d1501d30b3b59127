// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process that owns the network. It gives up every capability before it answers
//! anybody. The supervisor starts it as `pyebpf serve-front`.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;

use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use sampler_serve::front;
use sampler_serve::front::authorization::Tokens;
use sampler_serve::front::config::{About, FrontConfig, Limits, Listener};
use sampler_serve::supervisor::launch::LaunchSocket;
use sampler_trace::formats::html::write_live_page;
use tokio::net::UnixDatagram;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::config::serve::ServeConfig;
use crate::platform::console::CONSOLE;
use crate::platform::privileges::drop_privileges::drop_all_privileges;
use crate::platform::sandbox::landlock::restrict_to_reading;
use crate::platform::sandbox::{self, SandboxKind};
use crate::record::confinement::tell_blocked;
use crate::serve::error::ServeError;
use crate::serve::process_name::name_process;

/// Serves until the supervisor ends it.
///
/// # Errors
/// [`ServeError`].
pub fn serve_front(config: &ServeConfig) -> Result<(), ServeError> {
    name_process(c"pyebpf-front");
    let launch = LaunchSocket::from_standard_input()
        .map_err(ServeError::system("use the standard input"))?;
    let taken = || ServeError::system("take what the supervisor hands over");
    let mut given = launch.receive_descriptors().map_err(taken())?.into_iter();
    let missing = || taken()(io::ErrorKind::UnexpectedEof.into());
    let control = given.next().ok_or_else(missing)?;
    let state_dir = given.next().ok_or_else(missing)?;
    let listeners: io::Result<Vec<_>> = given.map(listener).collect();
    let mut page = Vec::new();
    write_live_page(&mut page).map_err(ServeError::system("prepare the page"))?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let front = FrontConfig {
        listeners: listeners.map_err(taken())?,
        control,
        state_dir,
        tokens: tokens(config)?,
        allowed_hosts: config.allowed_hosts.clone(),
        source_over_tcp: config.source_over_tcp,
        // It is needed until the end.
        page: page.leak(),
        about: About {
            program: concat!("pyebpf ", env!("CARGO_PKG_VERSION")).into(),
            host: host.trim().to_owned(),
            command: std::env::args().collect(),
            keep_s: config.keep.as_secs(),
            max_bytes: config.max_bytes,
        },
        limits: Limits::default(),
    };
    confine(config, front.state_dir.as_fd());
    let supervisor = launch.watch().map_err(taken())?;
    let stop = async {
        let mut packet = [0; 16];
        let stopped = async {
            let supervisor = UnixDatagram::from_std(supervisor)?;
            let mut terminate = signal(SignalKind::terminate())?;
            // Taken and ignored: the supervisor gets it as well, and then asks for the end.
            let mut interrupt = signal(SignalKind::interrupt())?;
            loop {
                tokio::select! {
                    _ = supervisor.recv(&mut packet) => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => {}
                }
            }
        };
        let outcome: io::Result<()> = stopped.await;
        if let Err(error) = outcome {
            CONSOLE.error(format_args!("cannot wait for signals: {error}"));
        }
    };
    let outcome = front::run(front, |word| launch.say(word), stop);
    tell_blocked();
    outcome.map_err(ServeError::Front)
}

/// Finds out the kind of a socket.
fn listener(socket: OwnedFd) -> io::Result<Listener> {
    if socket_domain(socket.as_fd())? != AddressFamily::UNIX {
        return Ok(Listener::Tcp(TcpListener::from(socket)));
    }
    let listener = UnixListener::from(socket);
    // The group of the file, which may be another one than that of this process.
    let address = listener.local_addr()?;
    let group = match address.as_pathname() {
        Some(path) => std::fs::metadata(path)?.gid(),
        None => rustix::process::getgid().as_raw(),
    };
    Ok(Listener::Unix { listener, group })
}

fn tokens(config: &ServeConfig) -> Result<Tokens, ServeError> {
    let Some(path) = &config.token_file else {
        return Ok(Tokens::default());
    };
    let bad = |reason: String| ServeError::Token {
        path: path.clone(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let tokens = Tokens::from_lines(&text).map_err(|error| bad(error.to_string()))?;
    if tokens.is_empty() {
        return Err(bad("there is no token in it".into()));
    }
    Ok(tokens)
}

/// Drops privileges that the network must not reach. A failure is only a warning, as in a recorder.
fn confine(config: &ServeConfig, state: BorrowedFd<'_>) {
    if !config.sampling.sandbox {
        return;
    }
    if let Err(error) = drop_all_privileges() {
        CONSOLE.caution(format_args!(
            "the front cannot drop all privileges that are not needed: {error}"
        ));
    }
    // As root it may read whatever belongs to root, even without a capability.
    if let Err(error) = restrict_to_reading(state) {
        CONSOLE.caution(format_args!(
            "the front could open files outside of the state directory: {error}"
        ));
    }
    if let Err(error) = sandbox::install(SandboxKind::Front) {
        CONSOLE.caution(format_args!(
            "the front continues without a system call filter: {error}"
        ));
    }
}
