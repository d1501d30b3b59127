// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starts a command as the caller of sudo, held back before its first instruction until
//! it is released.

mod child;
pub mod error;

use std::ffi::OsString;
use std::io::{PipeWriter, Read, Write};
use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use crate::platform::launch::error::LaunchError;
use crate::platform::privileges::Owner;
use crate::platform::privileges::role::Role;

/// Receives the exit status of a command once that has ended; `None` if the status is
/// lost, because someone else has reaped the command (SIGCHLD ignored). Wait with `.await`
/// or `blocking_recv`.
pub type CommandEnd = oneshot::Receiver<Option<ExitStatus>>;

/// A command that has its process and waits in it. If this is dropped, the command never
/// runs.
#[derive(Debug)]
pub struct HeldCommand {
    pid: u32,
    program: OsString,
    release: PipeWriter,
    started: mpsc::Receiver<std::io::Result<()>>,
    ended: CommandEnd,
}

/// A command that runs. If this is dropped, it runs on.
#[derive(Debug)]
pub struct RunningCommand {
    /// Its process id, in pyebpf's own pid namespace.
    pub pid: u32,
    /// Receives its exit status.
    pub ended: CommandEnd,
}

/// Creates a process for `command` (a program and its arguments), and holds it back
/// before the program is loaded.
///
/// It runs as `owner`, with all of the owner's groups, and with `HOME`, `USER` and
/// `LOGNAME` of the owner. The rest of the environment, the working directory, the
/// standard streams and the process group are those of pyebpf, so Ctrl-C reaches both.
/// Raise no resource limit before: the command would inherit it. What pyebpf does to
/// itself later, dropping privileges and restricting system calls, does not affect the
/// command.
///
/// # Errors
/// When no process can be created, or it cannot become `owner`.
pub fn spawn(command: &[OsString], owner: &Owner) -> Result<HeldCommand, LaunchError> {
    let program = command.first().ok_or(LaunchError::NoProgram)?.clone();
    let failed = |source| LaunchError::Process {
        program: program.clone(),
        source,
    };
    let (mut ready, release, prepared) = child::prepare(command, owner).map_err(failed)?;
    let (started_sender, started) = mpsc::sync_channel(1);
    let (ended_sender, ended) = oneshot::channel();
    // `Command::spawn` returns only when the program is loaded or has failed to, so it
    // gets a thread, which then waits for the end of the command as well.
    let spawning = move || {
        let mut prepared = prepared;
        let spawned = prepared.spawn();
        // Closes pyebpf's copies of the child's pipe ends.
        drop(prepared);
        match spawned {
            Ok(mut child) => {
                // Waiting needs no capabilities. Those that cannot be dropped are kept.
                Role::Waiting.apply().ok();
                started_sender.send(Ok(())).ok();
                ended_sender.send(child.wait().ok()).ok();
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
        // The child ended before it was ready, or there never was one.
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
    /// Its process id, in pyebpf's own pid namespace.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the command run; returns when its program is loaded.
    ///
    /// # Errors
    /// When the program is not found or cannot be executed.
    pub fn release(mut self) -> Result<RunningCommand, LaunchError> {
        // Ignored: a child that was killed does not read, and `started` tells more.
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

#[cfg(test)]
mod tests;
