// SPDX-License-Identifier: MIT OR Apache-2.0

//! The errors of output files, each with what to do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::platform::privileges::PrivilegeError;

/// Why an output file cannot be written.
#[derive(Debug, Error)]
pub enum OutfileError {
    /// The path ends in `/`, `.` or `..`.
    #[error("{path:?} is not the name of a file: name one with -o")]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// Something other than an ordinary file, which must not be replaced or followed.
    #[error(
        "{path:?} is {what} and is not written to: name an ordinary file, or - for standard output"
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// A descriptor that cannot be written to.
    #[error("cannot write {path:?}: {why}")]
    Descriptor {
        /// The path that stands for it, such as `/dev/stderr`.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A named pipe that nobody reads.
    #[error("cannot write {path:?}: this named pipe has no reader; start the reader first")]
    NoReader {
        /// The path.
        path: PathBuf,
    },
    /// The file size limit of this process is reached.
    #[error(
        "cannot write {path:?}: the file would exceed the size limit; raise the limit (ulimit -f) or record for less time"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The directory does not exist, or is not a directory.
    #[error(
        "cannot write {path:?}: its directory does not exist; create it, or choose another with -o"
    )]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The owner may not create files there.
    #[error(
        "cannot write {path:?}: {who} may not create files in that directory; choose another path with -o"
    )]
    NotAllowed {
        /// The path.
        path: PathBuf,
        /// The user whose rights were used, in words.
        who: String,
    },
    /// The disk or the quota is full.
    #[error("cannot write {path:?}: no space is left; free some, or choose another disk with -o")]
    Full {
        /// The path.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// Any other error of the kernel.
    #[error("cannot write {path:?}: {source}")]
    Other {
        /// The path.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// pyebpf cannot act for the caller of sudo.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
}

impl OutfileError {
    /// Returns the error for a failed write, sync or rename of the file at `path`.
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path, source },
            ErrorKind::FileTooLarge => Self::TooLong { path, source },
            _ => Self::Other { path, source },
        }
    }

    /// Returns the same as an [`io::Error`] of the same kind, so that callers that only
    /// know `Write` still report the path and the remedy.
    pub(super) fn explain(path: &Path, source: io::Error) -> io::Error {
        match source.kind() {
            ErrorKind::Interrupted | ErrorKind::WouldBlock => source,
            kind => io::Error::new(kind, Self::write(path, source)),
        }
    }
}
