// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opens the file behind a mapping of another process. Never opens anything but a regular
//! file, and nothing but the file that is mapped.
//!
//! The path in `/proc/PID/maps` is what the target calls the file: it may be gone,
//! replaced, or a trap. So the file is first only referred to (`O_PATH` has no side
//! effect on devices, and does not wait for a FIFO), then checked, and only then opened.
//! Reading it can still wait for a slow file system.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::process::maps::Mapping;

/// Why the file behind a mapping cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the mapped file {}: {source}", path.display())]
pub struct OpenError {
    /// What the target calls the file.
    pub path: PathBuf,
    /// The kernel's error.
    pub source: io::Error,
}

/// Identifies one version of the content of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    /// `st_size`, in bytes.
    pub size: i64,
    /// `st_ctim`, in seconds and nanoseconds: unlike `st_mtim`, which `cp -p` sets, it
    /// cannot be set.
    pub changed: (i64, i64),
}

impl FileIdentity {
    /// Returns the identity of a file with this metadata.
    pub fn from_metadata(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size().cast_signed(),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }

    /// Whether both are of the same file, whatever its content.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The file behind a mapping, identified but not yet opened for reading.
#[derive(Debug)]
pub struct MappedFile {
    handle: OwnedFd,
    identity: FileIdentity,
    path: PathBuf,
}

impl MappedFile {
    /// Finds the file that `mapping` of process `pid` maps.
    ///
    /// `/proc/PID/map_files` leads to the very file, even if it was deleted or lies
    /// outside every path that we can see, but needs `CAP_SYS_ADMIN` or
    /// `CAP_CHECKPOINT_RESTORE`. `/proc/PID/exe` leads to the program itself just as
    /// well, without them. Otherwise the path is looked up from the target's root and
    /// from ours, and accepted if the inode is the mapping's. Devices are not compared:
    /// `stat` and the mapping differ on overlay and btrfs.
    ///
    /// # Errors
    /// [`OpenError`] when no way leads to that file, or it is not a regular file.
    pub fn locate(pid: u32, mapping: &Mapping) -> Result<Self, OpenError> {
        let range = format!(
            "/proc/{pid}/map_files/{:x}-{:x}",
            mapping.start, mapping.end
        );
        let reference = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let found = open(Path::new(&range), reference, Mode::empty())
            .map_err(io::Error::from)
            .and_then(|handle| Self::check(handle, mapping, None));
        let first_error = match found {
            Ok(file) => return Ok(file),
            Err(error) => error,
        };
        let program = open(
            Path::new(&format!("/proc/{pid}/exe")),
            reference,
            Mode::empty(),
        );
        let program = program.map_err(io::Error::from);
        if let Ok(file) =
            program.and_then(|handle| Self::check(handle, mapping, Some(mapping.inode)))
        {
            return Ok(file);
        }
        for root in [format!("/proc/{pid}/root"), "/".to_owned()] {
            let found = open_below(Path::new(&root), &mapping.path)
                .and_then(|handle| Self::check(handle, mapping, Some(mapping.inode)));
            if let Ok(file) = found {
                return Ok(file);
            }
        }
        Err(OpenError {
            path: mapping.path.clone(),
            source: first_error,
        })
    }

    fn check(handle: OwnedFd, mapping: &Mapping, inode: Option<u64>) -> io::Result<Self> {
        let status = fstat(handle.as_fd())?;
        let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
        if kind != SFlag::S_IFREG {
            return Err(io::Error::other("not a regular file"));
        }
        if inode.is_some_and(|inode| inode != status.st_ino) {
            return Err(io::Error::other("the path names another file now"));
        }
        Ok(Self {
            handle,
            identity: FileIdentity {
                device: status.st_dev,
                inode: status.st_ino,
                size: status.st_size,
                changed: (status.st_ctime, status.st_ctime_nsec),
            },
            path: mapping.path.clone(),
        })
    }

    /// Returns which content the file has.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Opens the file for reading.
    ///
    /// # Errors
    /// [`OpenError`] when its permissions forbid that.
    pub fn open(&self) -> Result<File, OpenError> {
        let path = format!("/proc/self/fd/{}", self.handle.as_raw_fd());
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        open(Path::new(&path), flags, Mode::empty())
            .map(File::from)
            .map_err(|error| OpenError {
                path: self.path.clone(),
                source: error.into(),
            })
    }
}

/// Refers to `path` as a process with that root would (`openat2`, Linux 5.6):
/// no symbolic link of the target can lead out of its root.
fn open_below(root: &Path, path: &Path) -> io::Result<OwnedFd> {
    let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(root, directory, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(root, path, how)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::maps::read_maps;

    fn own_mapping() -> Mapping {
        let exe = std::env::current_exe().expect("we have one");
        read_maps(std::process::id())
            .expect("we may look at ourselves")
            .into_iter()
            .find(|map| map.path == exe)
            .expect("we are mapped")
    }

    #[test]
    fn opens_what_is_mapped() {
        let found = MappedFile::locate(std::process::id(), &own_mapping()).expect("it is there");
        let facts = found.open().expect("readable").metadata().expect("open");
        assert_eq!(FileIdentity::from_metadata(&facts), found.identity());
    }

    #[test]
    fn falls_back_to_the_path_but_not_to_another_file() {
        let mut mapping = own_mapping();
        mapping.start += 1; // no such range in map_files
        let pid = std::process::id();
        let found = MappedFile::locate(pid, &mapping).expect("found by its path");
        assert_eq!(found.identity().inode, mapping.inode);
        mapping.inode += 1;
        assert!(MappedFile::locate(pid, &mapping).is_err());
    }

    #[test]
    fn refuses_devices() {
        let mut mapping = own_mapping();
        mapping.start += 1;
        mapping.path = PathBuf::from("/dev/null");
        mapping.inode = fstat(File::open("/dev/null").expect("there"))
            .expect("open")
            .st_ino;
        assert!(MappedFile::locate(std::process::id(), &mapping).is_err());
    }
}
