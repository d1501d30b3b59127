// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes output files. They belong to the caller of sudo and are never written through a
//! symbolic link; an [`OutputFile`] appears under its name only when it is complete.

pub mod directory;
pub mod stream;
pub mod visible;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, Signal};

use crate::platform::outfile::directory::Directory;
use crate::platform::outfile_error::OutfileError;
use crate::platform::privileges::Owner;

/// A file that appears under its name, complete and synced, only when it is committed.
/// Until then it is a temporary file in the same directory; dropping it before the commit
/// removes it.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    directory: Directory,
    temporary: Option<OsString>,
    name: OsString,
    path: PathBuf,
}

impl OutputFile {
    /// Opens a temporary file in the directory of `path`, with mode 0600 and owned by
    /// `owner`. A file at `path` stays untouched until [`commit`](Self::commit).
    ///
    /// # Errors
    /// When `path` exists and is not an ordinary file, or when `owner` may not write
    /// there.
    pub fn create(path: &Path, owner: Owner) -> Result<Self, OutfileError> {
        let (directory, name) = Directory::open_parent(path, owner)?;
        directory.check_replaceable(&name, path)?;
        let (temporary, file) = directory.create_temporary(path)?;
        let path = path.to_owned();
        Ok(Self {
            file,
            directory,
            temporary: Some(temporary),
            name,
            path,
        })
    }

    /// Checks that a file can be created at `path`, and leaves nothing behind.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn check(path: &Path, owner: Owner) -> Result<(), OutfileError> {
        Self::create(path, owner).map(drop)
    }

    /// The path that the file has once it is committed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the content, renames the file over whatever has its name, and syncs the
    /// directory. After this the file survives a power failure.
    ///
    /// # Errors
    /// When the disk is full or broken, or the directory is gone. The temporary file is
    /// then removed.
    pub fn commit(mut self) -> Result<(), OutfileError> {
        let lost = |source| OutfileError::write(&self.path, source);
        self.file.sync_all().map_err(lost)?;
        if let Some(temporary) = &self.temporary {
            self.directory.rename(temporary, &self.name).map_err(lost)?;
        }
        self.temporary = None;
        self.directory
            .sync()
            .map_err(|source| OutfileError::write(&self.path, source))
    }
}

/// Blocks `SIGXFSZ`, so that a write beyond the file size limit of this process
/// (`RLIMIT_FSIZE`, setrlimit(2)) fails instead of killing it. A command that pyebpf
/// starts has the signal unblocked again (`platform/launch/child.rs`).
pub fn outlive_the_limit_of_size() {
    // Cannot fail for a signal that exists.
    SigSet::from(Signal::SIGXFSZ).thread_block().ok();
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file
            .write(bytes)
            .map_err(|source| OutfileError::explain(&self.path, source))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for OutputFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Ignored: the file may be gone already, with its directory.
            self.directory.remove(temporary).ok();
        }
    }
}

#[cfg(test)]
mod tests;
