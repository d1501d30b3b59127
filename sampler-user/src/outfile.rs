//! Writes files that appear whole, belong to the caller of sudo and lie where
//! they were asked for, never behind a symbolic link. It refuses to know their content.

mod directory;
mod error;
mod part;
mod visible;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::privileges::Owner;
use directory::Directory;
pub use error::OutfileError;
pub use part::part_path;
pub use visible::VisibleFile;

/// A file that appears under its name, whole and synced, when it is committed;
/// until then it has another name beside it. Dropped before that, it is removed.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    directory: Directory,
    temporary: Option<OsString>,
    name: OsString,
    path: PathBuf,
}

impl OutputFile {
    /// Opens a temporary file beside `path`, mode 0600, owned by `owner`. What
    /// is at `path` stays untouched until [`commit`](Self::commit).
    ///
    /// # Errors
    /// When `path` is a directory, a device or a symbolic link, or when `owner`
    /// may not write there.
    pub fn create(path: &Path, owner: Owner) -> Result<Self, OutfileError> {
        let (directory, name) = Directory::of(path, owner)?;
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

    /// The path the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the content, gives the file its name in place of what had it, and
    /// syncs the directory: after this the file survives a power cut.
    ///
    /// # Errors
    /// When the disk is full or broken, or the directory has gone; the temporary
    /// file is then removed.
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
            // It may be gone already, with its directory: then it is removed.
            self.directory.remove(temporary).ok();
        }
    }
}

#[cfg(test)]
mod tests;
