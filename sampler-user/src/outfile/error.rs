//! What goes wrong with an output file, and what to do about it. It refuses to
//! decide whether the recording goes on.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::privileges::PrivilegeError;

/// Why an output file cannot be written.
#[derive(Debug, Error)]
pub enum OutfileError {
    /// The path ends in `/`, `.` or `..`.
    #[error("{path:?} names no file: give the name of a file with -o")]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// Something is there that must not be replaced or followed.
    #[error(
        "{path:?} is {what} and is not written to: name an ordinary file, or - for standard output"
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// The directory does not exist, or is none.
    #[error(
        "cannot write {path:?}: its directory does not exist; make it, or name another with -o"
    )]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The owner may not write there.
    #[error(
        "cannot write {path:?}: {who} may not make files in its directory; name another with -o"
    )]
    NotAllowed {
        /// The path.
        path: PathBuf,
        /// Whose rights were used.
        who: String,
    },
    /// The disk or the quota is full.
    #[error(
        "cannot write {path:?}: there is no room left; make room, or name another disk with -o"
    )]
    Full {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Anything else that the kernel said.
    #[error("cannot write {path:?}: {source}")]
    Other {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The caller of sudo cannot be acted for.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
}

impl OutfileError {
    /// The error for a failed write, sync or rename of the file for `path`.
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Other { path, source },
        }
    }

    /// The same as an [`io::Error`] of the same kind, so that what only knows
    /// `Write` still reports the path and the remedy.
    pub(super) fn explain(path: &Path, source: io::Error) -> io::Error {
        match source.kind() {
            ErrorKind::Interrupted | ErrorKind::WouldBlock => source,
            kind => io::Error::new(kind, Self::write(path, source)),
        }
    }
}
