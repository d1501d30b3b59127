// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes output files: each is a temporary file beside its target, which is renamed once
//! it is complete. Paths are looked up anew each time, so this is not for a directory in
//! which somebody else can write.

pub mod stream;

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{self, Path, PathBuf};

use super::privileges::Owner;
use crate::platform::outfile_error::OutfileError;

/// A file that appears under its name, complete, only when it is committed. Dropping it
/// before the commit removes it.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    temporary: Temporary,
    path: PathBuf,
}

impl OutputFile {
    /// Creates a temporary file in the directory of `path`, which on Unix only its owner
    /// can read. A file at `path` stays untouched until [`commit`](Self::commit).
    ///
    /// # Errors
    /// When `path` exists and is not an ordinary file, or when nothing can be written
    /// there.
    pub fn create(path: &Path, _owner: Owner) -> Result<Self, OutfileError> {
        check_replaceable(path)?;
        // Each `RandomState` has its own keys, so no other recording takes the name.
        let random = RandomState::new().hash_one(path);
        let temporary = path.with_file_name(format!(".pyebpf-{random:016x}.tmp"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&temporary);
        Ok(Self {
            file: file.map_err(|source| refusal(path, source))?,
            temporary: Temporary(Some(temporary)),
            path: path.to_owned(),
        })
    }

    /// Syncs the content and renames the file over whatever has its name.
    ///
    /// # Errors
    /// When the disk is full or broken, or the directory is gone. The temporary file is
    /// then removed.
    pub fn commit(self) -> Result<(), OutfileError> {
        let Self {
            file,
            mut temporary,
            path,
        } = self;
        let lost = |source| OutfileError::write(&path, source);
        file.sync_all().map_err(lost)?;
        // Windows does not rename a file everywhere while it is open.
        drop(file);
        temporary.rename(&path).map_err(lost)
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

/// A file that is removed when this is dropped, unless it was renamed.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn rename(&mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.0 {
            fs::rename(path, to)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Ignored: the file may be gone already, with its directory.
            fs::remove_file(path).ok();
        }
    }
}

/// Returns an error if `path` names no file, or exists and is not an ordinary file.
fn check_replaceable(path: &Path) -> Result<(), OutfileError> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let ends_in_separator = bytes
        .last()
        .is_some_and(|byte| path::is_separator(char::from(*byte)));
    if ends_in_separator || path.file_name().is_none() {
        return Err(OutfileError::NoName {
            path: path.to_owned(),
        });
    }
    let what = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refusal(path, error)),
        Ok(status) if status.is_file() => return Ok(()),
        Ok(status) if status.is_dir() => "a directory",
        Ok(status) if status.is_symlink() => "a symbolic link",
        Ok(_) => "no ordinary file",
    };
    Err(OutfileError::NotAFile {
        path: path.to_owned(),
        what,
    })
}

fn refusal(path: &Path, source: io::Error) -> OutfileError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => OutfileError::NoDirectory { path },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OutfileError::NotAllowed {
            path,
            who: "you".to_owned(),
        },
        _ => OutfileError::write(&path, source),
    }
}

#[cfg(test)]
mod tests;
