//! Starts a command as the caller of sudo, held back before its first
//! instruction until it is released. It refuses to know why it waits.

mod child;
mod error;

use std::ffi::OsString;
use std::io::{PipeWriter, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use crate::config::ExitStatus;
use crate::privileges::{Owner, Role};
pub use error::LaunchError;

/// A command that has its process and waits in it. Dropped, it never runs.
#[derive(Debug)]
pub struct HeldCommand {
    pid: u32,
    program: OsString,
    release: PipeWriter,
    started: mpsc::Receiver<std::io::Result<()>>,
    ended: oneshot::Receiver<ExitStatus>,
}

/// A command that runs. Dropped, it runs on.
#[derive(Debug)]
pub struct RunningCommand {
    /// Its process id, in our pid namespace.
    pub pid: u32,
    /// Gives its exit status once it has ended: 128 + N when signal N ended it.
    /// Wait with `.await` or `blocking_recv`.
    pub ended: oneshot::Receiver<ExitStatus>,
}

/// Makes a process for `command` (a program and its arguments) and holds it
/// back before the program is loaded.
///
/// It runs as `owner`, with all of the owner's groups, and with `HOME`, `USER`
/// and `LOGNAME` of the owner; the rest of the environment, the directory, the
/// standard streams and the process group are ours, so Ctrl-C reaches it as it
/// reaches us. Raise no resource limit of our own before: it would inherit it.
/// The rights that we shed and the system calls that we forbid ourselves later
/// are its own affair: it has what it would have without us.
///
/// # Errors
/// When no process can be made, or it cannot become `owner`.
pub fn spawn(command: &[OsString], owner: &Owner) -> Result<HeldCommand, LaunchError> {
    let program = command.first().ok_or(LaunchError::NoProgram)?.clone();
    let failed = |source| LaunchError::Process {
        program: program.clone(),
        source,
    };
    let (mut ready, release, prepared) = child::prepare(command, owner).map_err(failed)?;
    let (started_sender, started) = mpsc::sync_channel(1);
    let (ended_sender, ended) = oneshot::channel();
    // `Command::spawn` returns only when the program is loaded or has failed
    // to, so it gets a thread, which then waits for the end as well.
    let spawning = move || {
        let mut prepared = prepared;
        let spawned = prepared.spawn();
        // Closes our copies of the child's pipe ends.
        drop(prepared);
        match spawned {
            Ok(child) => {
                // Waiting for it needs none. What cannot be given up is kept.
                Role::Waiting.take_up().ok();
                started_sender.send(Ok(())).ok();
                ended_sender.send(wait(child)).ok();
            }
            Err(error) => {
                started_sender.send(Err(error)).ok();
            }
        }
    };
    thread::Builder::new()
        .name("launch".to_owned())
        .spawn(spawning)
        .map_err(failed)?;
    let mut pid = [0; 4];
    if ready.read_exact(&mut pid).is_err() {
        // The child has ended before it was ready, or there never was one.
        return Err(match started.recv() {
            Ok(Err(source)) => error::classify(program, owner, source),
            Ok(Ok(())) | Err(_) => LaunchError::Vanished { program },
        });
    }
    Ok(HeldCommand {
        pid: u32::from_ne_bytes(pid),
        program,
        release,
        started,
        ended,
    })
}

impl HeldCommand {
    /// Its process id, in our pid namespace.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it go; returns when the program is loaded.
    ///
    /// # Errors
    /// When the program is not found or cannot be executed.
    pub fn release(mut self) -> Result<RunningCommand, LaunchError> {
        // A child that was killed meanwhile does not read: its end tells more.
        self.release.write_all(&[1]).ok();
        drop(self.release);
        match self.started.recv() {
            Ok(Ok(())) => Ok(RunningCommand {
                pid: self.pid,
                ended: self.ended,
            }),
            Ok(Err(source)) => Err(error::classify(self.program, &Owner::ourselves(), source)),
            Err(_) => Err(LaunchError::Vanished {
                program: self.program,
            }),
        }
    }
}

fn wait(mut child: Child) -> ExitStatus {
    match child.wait() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => ExitStatus::of_command(code),
            (None, signal) => ExitStatus::of_signal(signal.unwrap_or(0)),
        },
        // Only when someone else has reaped it (SIGCHLD ignored): the status is lost.
        Err(_) => ExitStatus::ERROR,
    }
}

#[cfg(test)]
mod tests;
