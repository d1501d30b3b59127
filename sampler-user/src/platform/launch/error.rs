// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a command does not start, told apart as shells do.

use std::ffi::{OsStr, OsString};
use std::io;

use nix::errno::Errno;
use thiserror::Error;

use crate::platform::privileges::Owner;

/// Why a command does not run.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The command has no words.
    #[error("no command to start: name a program after --")]
    NoProgram,
    /// No such program.
    #[error("cannot start {program:?}: not found; give its full path, since sudo may change PATH")]
    NotFound {
        /// The program as given.
        program: OsString,
    },
    /// The program exists but cannot be executed.
    #[error("cannot start {program:?}: {source}; check that it is executable for you")]
    NotExecutable {
        /// The program as given.
        program: OsString,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The process cannot become the caller of sudo.
    #[error("cannot start {program:?} as user {uid}, who called sudo: {source}")]
    Identity {
        /// The program as given.
        program: OsString,
        /// The user.
        uid: u32,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// No process can be created, or none that can wait.
    #[error("cannot create a process for {program:?}: {source}")]
    Process {
        /// The program as given.
        program: OsString,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The process ended before the program was loaded.
    #[error("the process for {program:?} was killed before the program started")]
    Vanished {
        /// The program as given.
        program: OsString,
    },
}

/// Returns the error for a failed start. Before its release the process changes only its
/// identity, so pass the owner there and `Owner::ourselves()` after it.
pub(super) fn classify(program: OsString, owner: &Owner, source: io::Error) -> LaunchError {
    match (owner.account(), source.raw_os_error().map(Errno::from_raw)) {
        (Some(account), Some(Errno::EPERM | Errno::EINVAL)) => LaunchError::Identity {
            program,
            uid: account.uid.as_raw(),
            source,
        },
        (None, Some(Errno::EACCES)) if !is_anywhere(&program) => LaunchError::NotFound { program },
        (_, Some(Errno::ENOENT | Errno::ENOTDIR)) => LaunchError::NotFound { program },
        (
            None,
            Some(
                Errno::EACCES
                | Errno::EPERM
                | Errno::ENOEXEC
                | Errno::EISDIR
                | Errno::ETXTBSY
                | Errno::ELOOP
                | Errno::ENAMETOOLONG
                | Errno::E2BIG,
            ),
        ) => LaunchError::NotExecutable { program, source },
        (_, Some(Errno::ECANCELED)) => LaunchError::Vanished { program },
        _ => LaunchError::Process { program, source },
    }
}

/// Whether a program of this name exists. The kernel's answer to a bare name is
/// "permission denied" as soon as one directory of `PATH` is closed to the user, even if
/// the program is in none of them.
fn is_anywhere(program: &OsStr) -> bool {
    if program.as_encoded_bytes().contains(&b'/') {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}
