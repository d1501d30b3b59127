// SPDX-License-Identifier: MIT OR Apache-2.0

//! One directory, held open and used with its owner's rights only. Every name in it is a
//! single path component, because a longer path could be redirected through a symbolic
//! link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::platform::outfile_error::OutfileError;
use crate::platform::privileges::Owner;

/// How many random names are tried; more collisions mean an attack.
const ATTEMPTS: u32 = 16;

/// An open directory, and the user with whose rights it is used.
#[derive(Debug)]
pub(super) struct Directory {
    file: File,
    /// False when the owner may enter and write the directory but not read it: then it is
    /// opened with `O_PATH`, which allows no sync.
    syncable: bool,
    owner: Owner,
}

impl Directory {
    /// Opens the parent directory of `path`, and returns it with the name of the file in it.
    pub(super) fn open_parent(path: &Path, owner: Owner) -> Result<(Self, OsString), OutfileError> {
        let ends_in_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let name = match path.file_name() {
            Some(name) if !ends_in_slash => name.to_owned(),
            _ => {
                return Err(OutfileError::NoName {
                    path: path.to_owned(),
                });
            }
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let acting = owner.act()?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = match open(parent, flags | OFlag::O_RDONLY, Mode::empty()) {
            Err(Errno::EACCES) => {
                open(parent, flags | OFlag::O_PATH, Mode::empty()).map(|file| (file, false))
            }
            other => other.map(|file| (file, true)),
        };
        drop(acting);
        match opened {
            Ok((file, syncable)) => Ok((
                Self {
                    file: file.into(),
                    syncable,
                    owner,
                },
                name,
            )),
            Err(errno) => Err(error(path, &owner, errno)),
        }
    }

    /// Returns an error if `name` exists and is not an ordinary file.
    pub(super) fn check_replaceable(&self, name: &OsStr, path: &Path) -> Result<(), OutfileError> {
        let acting = self.owner.act()?;
        let found = fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW);
        drop(acting);
        let what = match found {
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(error(path, &self.owner, errno)),
            Ok(status) => match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
                SFlag::S_IFREG => return Ok(()),
                SFlag::S_IFDIR => "a directory",
                SFlag::S_IFLNK => "a symbolic link",
                SFlag::S_IFCHR | SFlag::S_IFBLK => "a device",
                SFlag::S_IFIFO => "a named pipe",
                SFlag::S_IFSOCK => "a socket",
                _ => "no ordinary file",
            },
        };
        Err(OutfileError::NotAFile {
            path: path.to_owned(),
            what,
        })
    }

    /// Creates a file with a random name, open for reading and writing. Error messages
    /// name `path`.
    pub(super) fn create_temporary(&self, path: &Path) -> Result<(OsString, File), OutfileError> {
        for _ in 0..ATTEMPTS {
            // Each `RandomState` has its own keys, so nobody can guess the name; should
            // it exist all the same, it is not opened.
            let random = RandomState::new().hash_one(path);
            let name = OsString::from(format!(".pyebpf-{random:016x}.tmp"));
            if let Some(file) = self.create_new(&name, path)? {
                return Ok((name, file));
            }
        }
        Err(error(path, &self.owner, Errno::EEXIST))
    }

    /// Creates the file `name`, open for reading and writing; `None` when that name
    /// exists.
    pub(super) fn create_new(
        &self,
        name: &OsStr,
        path: &Path,
    ) -> Result<Option<File>, OutfileError> {
        let flags =
            OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let _acting = self.owner.act()?;
        match openat(&self.file, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::EEXIST) => Ok(None),
            Err(errno) => Err(error(path, &self.owner, errno)),
        }
    }

    /// Renames a file within the directory, replacing one that is named `to`.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        let _acting = self.owner.act().map_err(io::Error::other)?;
        Ok(renameat(&self.file, from, &self.file, to)?)
    }

    /// Removes the file `name`.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        let _acting = self.owner.act().map_err(io::Error::other)?;
        Ok(unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Makes renames durable, if the directory can be synced.
    pub(super) fn sync(&self) -> io::Result<()> {
        if !self.syncable {
            return Ok(());
        }
        match self.file.sync_all() {
            // Some network and user-space file systems cannot sync a directory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }
}

fn error(path: &Path, owner: &Owner, errno: Errno) -> OutfileError {
    let path = path.to_owned();
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => OutfileError::NoDirectory { path },
        Errno::EACCES | Errno::EPERM | Errno::EROFS => {
            let who = match owner.account() {
                None => format!("user {}", nix::unistd::Uid::effective()),
                Some(account) => format!("user {}, who called sudo,", account.uid),
            };
            OutfileError::NotAllowed { path, who }
        }
        _ => OutfileError::write(&path, errno.into()),
    }
}
