// SPDX-License-Identifier: MIT OR Apache-2.0

//! A file that has its name from the start, so that it is there after a crash. Only
//! [`VisibleFile::remove`] removes it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::platform::outfile::directory::Directory;
use crate::platform::outfile_error::OutfileError;
use crate::platform::privileges::Owner;

/// The longest file name, in bytes (`NAME_MAX`, include/uapi/linux/limits.h).
const LONGEST_NAME: usize = 255;
/// The most bytes by which the name of a working file is longer than that of its output.
const LONGEST_ADDITION: usize = ".1000.pyebpf".len();
/// The stem of a working file whose output has too long a name.
const SHORT_STEM: &str = "pyebpf-recording";
/// How many working files of interrupted recordings may lie beside one output.
const MOST_WORKING_FILES: u32 = 1000;

/// The `.pyebpf` file of a recording while it runs. Dropping it leaves the file in place.
#[derive(Debug)]
pub struct VisibleFile {
    file: File,
    directory: Directory,
    name: OsString,
    path: PathBuf,
}

impl VisibleFile {
    /// Creates `path` with mode 0600, owned by `owner`, in place of an older file of that
    /// name. Call it when nothing else can fail any more: the older file is lost.
    ///
    /// # Errors
    /// As [`OutputFile::create`](crate::platform::outfile::OutputFile::create).
    pub fn create(path: &Path, owner: Owner) -> Result<Self, OutfileError> {
        let (directory, name) = Directory::open_parent(path, owner)?;
        directory.check_replaceable(&name, path)?;
        let file = match directory.create_new(&name, path)? {
            Some(file) => file,
            None => {
                let (temporary, file) = directory.create_temporary(path)?;
                if let Err(source) = directory.rename(&temporary, &name) {
                    directory.remove(&temporary).ok();
                    return Err(OutfileError::write(path, source));
                }
                file
            }
        };
        Ok(Self {
            file,
            directory,
            name,
            path: path.to_owned(),
        })
    }

    /// Creates `<output>.pyebpf` beside an output that is derived from it later, or
    /// `<output>.2.pyebpf` and so on if that exists: the working file of an older
    /// recording, which may be all that is left of it, is never replaced.
    ///
    /// # Errors
    /// As [`OutputFile::create`](crate::platform::outfile::OutputFile::create).
    pub fn create_working(output: &Path, owner: Owner) -> Result<Self, OutfileError> {
        let (directory, stem) = Directory::open_parent(output, owner)?;
        // The name of an output may leave no room for what is added to it.
        let length = stem.len() + LONGEST_ADDITION;
        let stem = if length > LONGEST_NAME {
            OsString::from(SHORT_STEM)
        } else {
            stem
        };
        for number in 1..=MOST_WORKING_FILES {
            let mut name = stem.clone();
            if number > 1 {
                name.push(format!(".{number}"));
            }
            name.push(".pyebpf");
            let path = output.with_file_name(&name);
            if let Some(file) = directory.create_new(&name, &path)? {
                return Ok(Self {
                    file,
                    directory,
                    name,
                    path,
                });
            }
        }
        Err(OutfileError::write(
            output,
            io::ErrorKind::AlreadyExists.into(),
        ))
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the same file for reading, from its beginning, even if another file has its
    /// name by now.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn reader(&self) -> io::Result<File> {
        use std::os::fd::AsRawFd;
        File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Syncs the content and the name: after this the file survives a power failure.
    ///
    /// # Errors
    /// When the disk is full or broken.
    pub fn sync(&self) -> Result<(), OutfileError> {
        let synced = self.file.sync_all().and_then(|()| self.directory.sync());
        synced.map_err(|source| OutfileError::write(&self.path, source))
    }

    /// Removes the file, once what it was for has been written.
    ///
    /// # Errors
    /// When its owner may no longer write in the directory.
    pub fn remove(self) -> Result<(), OutfileError> {
        match self.directory.remove(&self.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| OutfileError::write(&self.path, source)),
        }
    }
}

impl Write for VisibleFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file
            .write(bytes)
            .map_err(|source| OutfileError::explain(&self.path, source))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for VisibleFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}
