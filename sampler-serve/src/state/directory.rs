// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes the state directory. Each file is opened below a descriptor of its folder, and
//! no link is followed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::state::files::{
    CHUNK_EXTENSION, CHUNKS, ENTRY_EXTENSION, LOCK, MARKS, RECORDINGS, file_name, file_number,
};

/// The longest entry that is read, in bytes: somebody else may have written it.
const LONGEST_ENTRY: u64 = 1 << 20;
/// What an entry is called until it is complete.
const UNFINISHED: &str = "unfinished";

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be created or opened.
    #[error("cannot use the state directory {path}: {source}", path = path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server uses it.
    #[error(
        "the state directory {path} is used by another server (process {pid}); \
         stop that one, or give this one another --state-dir",
        path = path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other server, as far as it has said.
        pid: String,
    },
}

/// A folder of the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Traces of about a minute each.
    Chunks,
    /// Moments around which chunks are kept.
    Marks,
    /// Recordings that were asked for.
    Recordings,
}

/// A file in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The number in its name.
    pub number: u64,
    /// How many bytes it takes on the disk.
    pub bytes: u64,
}

/// The state directory, for the one process that writes it.
#[derive(Debug)]
pub struct StateDirectory {
    root: OwnedFd,
    chunks: OwnedFd,
    marks: OwnedFd,
    recordings: OwnedFd,
}

/// Says that this server uses the directory, for as long as it is held by anybody.
#[derive(Debug)]
pub struct StateLock(File);

impl StateDirectory {
    /// Opens the directory, and creates it and its folders if they do not exist, for
    /// their owner alone.
    ///
    /// # Errors
    /// [`StateError::Open`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |source: io::Error| StateError::Open {
            path: path.to_owned(),
            source,
        };
        let open = || -> io::Result<Self> {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let root = open_folder(CWD, path)?;
            Ok(Self {
                chunks: open_folder(root.as_fd(), CHUNKS)?,
                marks: open_folder(root.as_fd(), MARKS)?,
                recordings: open_folder(root.as_fd(), RECORDINGS)?,
                root,
            })
        };
        open().map_err(failed)
    }

    /// Takes the lock of the directory, which `path` names in errors.
    ///
    /// # Errors
    /// [`StateError::InUse`] if another server has it.
    pub fn lock(&self, path: &Path) -> Result<StateLock, StateError> {
        let failed = |source: io::Error| StateError::Open {
            path: path.to_owned(),
            source,
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.root, LOCK, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(file.map_err(|error| failed(error.into()))?);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                // What it says is only shown.
                (&file).take(20).read_to_string(&mut pid).ok();
                let is_pid = !pid.is_empty() && pid.trim().bytes().all(|it| it.is_ascii_digit());
                return Err(StateError::InUse {
                    path: path.to_owned(),
                    pid: if is_pid {
                        pid.trim().into()
                    } else {
                        "?".into()
                    },
                });
            }
            Err(error) => return Err(failed(error.into())),
        }
        let write = || -> io::Result<()> {
            file.set_len(0)?;
            writeln!(&file, "{}", std::process::id())
        };
        write().map_err(failed)?;
        Ok(StateLock(file))
    }

    /// Returns the descriptor of the directory.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn folder(&self, folder: Folder) -> BorrowedFd<'_> {
        match folder {
            Folder::Chunks => self.chunks.as_fd(),
            Folder::Marks => self.marks.as_fd(),
            Folder::Recordings => self.recordings.as_fd(),
        }
    }

    /// Lists the files of a folder by their numbers. What has another name is not ours.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self, folder: Folder) -> io::Result<Vec<Listed>> {
        let directory = self.folder(folder);
        let mut listed = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_str().ok();
            let Some(number) = name.and_then(|name| file_number(name, folder.extension())) else {
                continue;
            };
            // It may have been deleted by hand since.
            if let Ok(stat) =
                rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            {
                let blocks = u64::try_from(stat.st_blocks).unwrap_or_default();
                let bytes = blocks.saturating_mul(512);
                listed.push(Listed { number, bytes });
            }
        }
        listed.sort_unstable_by_key(|file| file.number);
        Ok(listed)
    }

    /// Creates the chunk with this number, which must not exist.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn create_chunk(&self, number: u64) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let name = file_name(number, CHUNK_EXTENSION);
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::openat(&self.chunks, name, flags, mode)?.into())
    }

    /// Creates a file that can take the place of a chunk once it is complete. There is one at
    /// a time.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn create_replacement(&self) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let flags = flags | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.chunks, UNFINISHED, flags, mode)?.into())
    }

    /// Puts that file in the place of the chunk with this number. Whoever reads the chunk
    /// goes on with the file that was there.
    ///
    /// # Errors
    /// As `rename(2)`.
    pub fn replace_chunk(&self, number: u64) -> io::Result<()> {
        let name = file_name(number, CHUNK_EXTENSION);
        Ok(rustix::fs::renameat(
            &self.chunks,
            UNFINISHED,
            &self.chunks,
            name,
        )?)
    }

    /// Deletes that file, if there is one.
    ///
    /// # Errors
    /// As `unlink(2)`.
    pub fn discard_replacement(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.chunks, UNFINISHED, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the chunk with this number, to read it.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open_chunk(&self, number: u64) -> io::Result<File> {
        let name = file_name(number, CHUNK_EXTENSION);
        open_to_read(self.chunks.as_fd(), &name)
    }

    /// Writes an entry, in place of an older one with its number. After a crash either of
    /// them is there, whole.
    ///
    /// # Errors
    /// As `write(2)` and `rename(2)`, for example when the disk is full.
    pub fn write_entry(
        &self,
        folder: Folder,
        number: u64,
        entry: &impl Serialize,
    ) -> io::Result<()> {
        let directory = self.folder(folder);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(directory, UNFINISHED, flags | OFlags::CLOEXEC, mode)?;
        let mut file = File::from(file);
        file.write_all(&serde_json::to_vec(entry)?)?;
        file.sync_all()?;
        let name = file_name(number, folder.extension());
        Ok(rustix::fs::renameat(
            directory, UNFINISHED, directory, name,
        )?)
    }

    /// Reads all entries of a folder. Returns how many could not be read as well.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn read_entries<T: DeserializeOwned>(&self, folder: Folder) -> io::Result<(Vec<T>, usize)> {
        let (mut entries, mut damaged) = (Vec::new(), 0);
        for file in self.list(folder)? {
            match self.read_entry(folder, file.number) {
                Ok(entry) => entries.push(entry),
                Err(_) => damaged += 1,
            }
        }
        Ok((entries, damaged))
    }

    fn read_entry<T: DeserializeOwned>(&self, folder: Folder, number: u64) -> io::Result<T> {
        let name = file_name(number, folder.extension());
        let file = open_to_read(self.folder(folder), &name)?;
        Ok(serde_json::from_reader(file.take(LONGEST_ENTRY))?)
    }

    /// Deletes a file; one that is gone already is deleted.
    ///
    /// # Errors
    /// As `unlink(2)`, for example when the file system has gone read-only.
    pub fn delete(&self, folder: Folder, number: u64) -> io::Result<()> {
        let name = file_name(number, folder.extension());
        match rustix::fs::unlinkat(self.folder(folder), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl StateLock {
    /// Returns the descriptor that holds the lock.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Folder {
    fn extension(self) -> &'static str {
        match self {
            Self::Chunks => CHUNK_EXTENSION,
            Self::Marks | Self::Recordings => ENTRY_EXTENSION,
        }
    }
}

/// Opens a folder, and creates it if it does not exist.
fn open_folder(below: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(below, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(below, name, flags, Mode::empty())?)
}

/// Opens a regular file. One that is a pipe must not make anybody wait.
fn open_to_read(below: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(below, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::entry::{MarkCause, MarkEntry, MarkId};

    fn mark(id: u64) -> MarkEntry {
        MarkEntry {
            id: MarkId(id),
            name: "deploy".into(),
            cause: MarkCause::Request,
            at_us: 5,
            from_us: 1,
            to_us: 9,
            pid: None,
            details: String::new(),
        }
    }

    fn opened() -> (tempfile::TempDir, PathBuf, StateDirectory) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        let state = StateDirectory::open(&path).expect("it can be created");
        (directory, path, state)
    }

    #[test]
    fn what_was_written_is_there_for_the_next_one() {
        let (_keep, path, state) = opened();
        state
            .create_chunk(3)
            .expect("new")
            .write_all(b"abc")
            .expect("room");
        state.write_entry(Folder::Marks, 7, &mark(7)).expect("room");
        state
            .write_entry(Folder::Marks, 7, &mark(7))
            .expect("again");
        assert!(state.create_chunk(3).is_err(), "no chunk is overwritten");
        drop(state);
        let state = StateDirectory::open(&path).expect("it exists");
        let chunks = state.list(Folder::Chunks).expect("a list");
        assert_eq!(chunks.iter().map(|it| it.number).collect::<Vec<_>>(), [3]);
        let marks = state
            .read_entries::<MarkEntry>(Folder::Marks)
            .expect("marks");
        assert_eq!(marks, (vec![mark(7)], 0));
        state.delete(Folder::Chunks, 3).expect("ours");
        state.delete(Folder::Chunks, 3).expect("gone already");
        assert_eq!(state.list(Folder::Chunks).expect("a list"), []);
    }

    #[test]
    fn a_chunk_is_replaced_as_a_whole_and_a_rest_is_no_chunk() {
        let (_keep, path, state) = opened();
        let write = |mut file: File, bytes: &[u8]| file.write_all(bytes).expect("room");
        write(state.create_chunk(3).expect("new"), b"long");
        let mut reading = state.open_chunk(3).expect("it exists");
        write(state.create_replacement().expect("new"), b"left over");
        write(state.create_replacement().expect("again"), b"it");
        assert_eq!(state.list(Folder::Chunks).expect("a list").len(), 1);
        state.replace_chunk(3).expect("ours");
        let chunk = path.join(CHUNKS).join("00000003.pyebpf");
        assert_eq!(std::fs::read(&chunk).expect("it exists"), b"it");
        let mut text = String::new();
        reading.read_to_string(&mut text).expect("still open");
        assert_eq!(text, "long");
        write(state.create_replacement().expect("new"), b"?");
        for _ in 0..2 {
            state.discard_replacement().expect("ours, or gone");
        }
        assert_eq!(
            std::fs::read_dir(path.join(CHUNKS))
                .expect("a list")
                .count(),
            1
        );
    }

    #[test]
    fn what_others_put_there_is_not_followed_and_not_read() {
        let (_keep, path, state) = opened();
        let marks = path.join(MARKS);
        std::os::unix::fs::symlink("/etc/passwd", marks.join("00000001.json")).expect("a link");
        std::fs::write(marks.join("00000002.json"), b"{").expect("a file");
        std::fs::write(marks.join("notes.txt"), b"mine").expect("a file");
        rustix::fs::mknodat(
            CWD,
            marks.join("00000003.json"),
            rustix::fs::FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .expect("a pipe");
        let marks = state
            .read_entries::<MarkEntry>(Folder::Marks)
            .expect("marks");
        assert_eq!(marks, (vec![], 3));
        std::os::unix::fs::symlink("/tmp", path.join("elsewhere")).expect("a link");
        assert!(StateDirectory::open(&path.join("elsewhere")).is_err());
    }

    #[test]
    fn one_server_uses_a_directory() {
        let (_keep, path, state) = opened();
        let lock = state.lock(&path).expect("the first");
        let other = StateDirectory::open(&path).expect("it exists");
        let error = other.lock(&path).expect_err("the second").to_string();
        let own = std::process::id().to_string();
        assert!(error.contains(&format!("process {own}")), "{error}");
        drop(lock);
        other.lock(&path).expect("the first has ended");
    }

    #[test]
    fn others_may_not_look_inside() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_keep, path, state) = opened();
        state.create_chunk(1).expect("new");
        for name in ["", CHUNKS, MARKS, "chunks/00000001.pyebpf"] {
            let mode = path.join(name).metadata().expect("it exists").permissions();
            assert_eq!(mode.mode() & 0o077, 0, "{name}");
        }
    }
}
