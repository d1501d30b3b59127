// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the new process does between fork and exec. It must not allocate or lock there,
//! because another thread may have held the lock when the process was copied.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::platform::privileges::{Owner, UserAccount};

/// Returns the command with an end of each of two pipes. Once it is a process with its
/// final rights, it writes its process id to the first pipe, and waits for a byte on the
/// second.
pub(super) fn prepare(
    command: &[OsString],
    owner: &Owner,
) -> io::Result<(PipeReader, PipeWriter, Command)> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let (ready, announce) = io::pipe()?;
    let (permission, release) = io::pipe()?;
    let mut prepared = Command::new(program);
    prepared.args(arguments);
    if let Some(account) = owner.account() {
        set_environment(&mut prepared, account);
    }
    let mut waiting = Waiting {
        identity: owner.account().map(Identity::new),
        announce,
        permission,
        release: release.as_raw_fd(),
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed.
    // `Waiting::run` does nothing but bare system calls (setgroups, setgid,
    // setuid, close, getpid, write, read, sigmask) on memory and descriptors made here,
    // before the fork; it allocates nothing and its errors are plain numbers.
    unsafe { prepared.pre_exec(move || waiting.run()) };
    Ok((ready, release, prepared))
}

fn set_environment(command: &mut Command, account: &UserAccount) {
    command.env("HOME", &account.home);
    if let Some(name) = &account.name {
        command.env("USER", name).env("LOGNAME", name);
    }
}

/// Who the process becomes.
struct Identity {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    fn new(account: &UserAccount) -> Self {
        Self {
            uid: account.uid,
            gid: account.gid,
            groups: account.groups.clone(),
        }
    }
}

/// All that the process needs to become ready and to wait.
struct Waiting {
    identity: Option<Identity>,
    announce: PipeWriter,
    permission: PipeReader,
    /// pyebpf's writing end, of which the child has a copy.
    release: RawFd,
}

impl Waiting {
    fn run(&mut self) -> io::Result<()> {
        // With its own copy open, the child would never see that the recorder is gone.
        nix::unistd::close(self.release)?;
        // Only pyebpf itself blocks it (`outlive_the_limit_of_size`).
        SigSet::from(Signal::SIGXFSZ).thread_unblock()?;
        if let Some(identity) = &self.identity {
            // The user comes last: after it, no group can be changed.
            setgroups(&identity.groups)?;
            setgid(identity.gid)?;
            setuid(identity.uid)?;
        }
        self.announce.write_all(&std::process::id().to_ne_bytes())?;
        let mut byte = [0];
        match self.permission.read(&mut byte)? {
            1 => Ok(()),
            // The recorder gave up or died: the program must not run unwatched.
            _ => Err(nix::errno::Errno::ECANCELED.into()),
        }
    }
}
