// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the files of `/proc/PID`. A process can end between any two reads, so every function
//! that reads one can return [`ProcessError::Gone`].

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file in `/proc` could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such process, or it ended while it was read.
    #[error("process {pid} does not exist")]
    Gone {
        /// Its pid.
        pid: u32,
    },
    /// The kernel denied access.
    #[error("no permission to read {path} of process {pid}; run as root")]
    Permission {
        /// Its pid.
        pid: u32,
        /// The file.
        path: PathBuf,
    },
    /// Any other error.
    #[error("cannot read {path} of process {pid}: {source}")]
    Io {
        /// Its pid.
        pid: u32,
        /// The file.
        path: PathBuf,
        /// The kernel's error, or that the content is not as documented.
        source: io::Error,
    },
}

impl ProcessError {
    /// Whether there is no such process, or no longer.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Classifies an error by what it means for the process.
    pub(crate) fn new(pid: u32, path: &Path, source: io::Error) -> Self {
        let is_gone =
            source.kind() == io::ErrorKind::NotFound || source.raw_os_error() == Some(libc::ESRCH);
        let path = path.to_path_buf();
        if is_gone {
            Self::Gone { pid }
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            Self::Permission { pid, path }
        } else {
            Self::Io { pid, path, source }
        }
    }
}

/// Lists the ids of all threads of `pid`, in our pid namespace.
///
/// # Errors
/// [`ProcessError`] when the process is gone or cannot be read.
pub fn threads(pid: u32) -> Result<Vec<u32>, ProcessError> {
    let path = proc_path(pid, "task");
    let entries = fs::read_dir(&path).map_err(|error| ProcessError::new(pid, &path, error))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

pub(super) fn proc_path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

pub(super) fn read_file(pid: u32, name: &str, limit: u64) -> Result<Vec<u8>, ProcessError> {
    let path = proc_path(pid, name);
    // Most files fit at once; a buffer that grows reads 32 bytes, then 64, and so on.
    let mut content = Vec::with_capacity(2048);
    File::open(&path)
        .and_then(|file| file.take(limit).read_to_end(&mut content))
        .map_err(|error| ProcessError::new(pid, &path, error))?;
    Ok(content)
}

pub(super) fn malformed(pid: u32, name: &str) -> ProcessError {
    ProcessError::Io {
        pid,
        path: proc_path(pid, name),
        source: io::Error::new(io::ErrorKind::InvalidData, "unexpected content"),
    }
}
