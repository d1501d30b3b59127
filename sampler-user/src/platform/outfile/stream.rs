// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opens outputs that exist already: descriptors that pyebpf was started with, named
//! pipes, terminals, `/dev/null`. They are opened before anything is recorded, and no
//! file is created beside them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FcntlArg, OFlag, fcntl};
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat, major, minor};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::platform::outfile_error::OutfileError;
use crate::platform::privileges::Owner;

/// How long to wait for somebody to open a named pipe for reading.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How often that is checked.
const STEP: Duration = Duration::from_millis(20);

/// An output that is not a file to be created.
#[derive(Debug)]
pub enum Stream {
    /// Standard output.
    Standard,
    /// An open descriptor other than standard output.
    Open(File),
}

impl Stream {
    /// Opens what exists at `path`, with `owner`'s rights; `None` where a file is to be
    /// created. Waits a moment for the reader of a named pipe.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn at(path: &Path, owner: &Owner) -> Result<Option<Self>, OutfileError> {
        if let Some(number) = descriptor(path) {
            return inherited(number, path).map(Some);
        }
        let acting = owner.act()?;
        let found = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW);
        let opened = match found.map(|status| kind(&status)) {
            Ok(SFlag::S_IFIFO) => named_pipe(path),
            Ok(SFlag::S_IFCHR) => device(path),
            _ => return Ok(None),
        };
        drop(acting);
        opened.map(Self::Open).map(Some)
    }
}

fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT
}

/// Returns the number of the descriptor that a path stands for.
fn descriptor(path: &Path) -> Option<i32> {
    match path.to_str()? {
        "/dev/stdin" => Some(0),
        "/dev/stdout" => Some(1),
        "/dev/stderr" => Some(2),
        other => {
            let number = other
                .strip_prefix("/dev/fd/")
                .or_else(|| other.strip_prefix("/proc/self/fd/"))?;
            number.parse().ok().filter(|number| *number >= 0)
        }
    }
}

/// Takes over a descriptor that pyebpf was started with, including its position in the
/// file.
fn inherited(number: i32, path: &Path) -> Result<Stream, OutfileError> {
    let refused = |why| OutfileError::Descriptor {
        path: path.to_owned(),
        why,
    };
    let facts = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"));
    let facts = facts.map_err(|_| refused("it is not open"))?;
    let flags = facts.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    let flags = OFlag::from_bits_truncate(flags.unwrap_or_default());
    // pyebpf's own descriptors are close-on-exec, inherited ones are not. If one of the
    // first three was closed, it is /dev/null by now.
    if number > 2 && flags.contains(OFlag::O_CLOEXEC) {
        return Err(refused("it is not open"));
    }
    if flags & OFlag::O_ACCMODE == OFlag::O_RDONLY {
        return Err(refused("it is open for reading only"));
    }
    if number == 1 {
        return Ok(Stream::Standard);
    }
    let copied = copy(number).or_else(|_| {
        // A seccomp filter may forbid that. What has no file position can be opened a
        // second time.
        let opened = File::options()
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(format!("/proc/self/fd/{number}"))?;
        match kind(&fstat(&opened)?) {
            SFlag::S_IFIFO | SFlag::S_IFCHR => Ok(opened),
            _ => Err(io::ErrorKind::PermissionDenied.into()),
        }
    });
    let file = copied.map_err(|source| OutfileError::write(path, source))?;
    Ok(Stream::Open(file))
}

/// Duplicates the descriptor `number`.
fn copy(number: i32) -> io::Result<File> {
    let ours = Pid::from_raw(std::process::id().cast_signed()).ok_or(Errno::ESRCH)?;
    let process = pidfd_open(ours, PidfdFlags::empty())?;
    let copied: OwnedFd = pidfd_getfd(process, number, PidfdGetfdFlags::empty())?;
    Ok(copied.into())
}

fn named_pipe(path: &Path) -> Result<File, OutfileError> {
    let failed = |source| OutfileError::write(path, source);
    let until = Instant::now() + TIMEOUT;
    let file = loop {
        // Without `O_NONBLOCK` this would wait for a reader forever.
        let opening = File::options()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
            .open(path);
        match opening {
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                if Instant::now() >= until {
                    return Err(OutfileError::NoReader {
                        path: path.to_owned(),
                    });
                }
                std::thread::sleep(STEP);
            }
            other => break other.map_err(failed)?,
        }
    };
    if kind(&fstat(&file).map_err(|errno| failed(errno.into()))?) != SFlag::S_IFIFO {
        return Err(OutfileError::NotAFile {
            path: path.to_owned(),
            what: "no named pipe any more",
        });
    }
    let waits = FcntlArg::F_SETFL(OFlag::empty());
    fcntl(&file, waits).map_err(|errno| failed(errno.into()))?;
    Ok(file)
}

/// Opens a terminal, or another device that is harmless to open.
fn device(path: &Path) -> Result<File, OutfileError> {
    let refused = || OutfileError::NotAFile {
        path: PathBuf::from(path),
        what: "a device",
    };
    // Opening another device, such as a tape, could have effects.
    let failed = |errno: Errno| OutfileError::write(path, errno.into());
    let status = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
    if !is_harmless(&status) {
        return Err(refused());
    }
    let flags = libc::O_NOCTTY | libc::O_NOFOLLOW;
    let opening = File::options().write(true).custom_flags(flags).open(path);
    let file = opening.map_err(|source| OutfileError::write(path, source))?;
    is_harmless(&fstat(&file).map_err(failed)?)
        .then_some(file)
        .ok_or_else(refused)
}

/// Whether this is `/dev/null`, `/dev/zero`, `/dev/full`, a terminal, a console or a
/// pseudoterminal (Documentation/admin-guide/devices.txt).
fn is_harmless(status: &FileStat) -> bool {
    let is_device = kind(status) == SFlag::S_IFCHR;
    is_device
        && match (major(status.st_rdev), minor(status.st_rdev)) {
            (1, number) => matches!(number, 3 | 5 | 7),
            (4 | 5 | 136..=143, _) => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use nix::sys::stat::Mode;

    use super::*;
    use crate::platform::tempdir::tempdir;

    fn at(path: impl AsRef<Path>) -> Result<Option<Stream>, OutfileError> {
        Stream::at(path.as_ref(), &Owner::ourselves())
    }

    #[test]
    fn what_is_there_is_written_to() {
        for path in ["/dev/null", "/dev/full"] {
            assert!(matches!(at(path), Ok(Some(Stream::Open(_)))), "{path}");
        }
        for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            assert!(matches!(at(path), Ok(Some(Stream::Standard))), "{path}");
        }
        assert!(matches!(at("/dev/stderr"), Ok(Some(Stream::Open(_)))));
        for path in ["new.json", "/dev", "/no/such/file", "/dev/fd/x", "-"] {
            assert!(matches!(at(path), Ok(None)), "{path}");
        }
        assert!(matches!(
            at("/dev/urandom"),
            Err(OutfileError::NotAFile { .. })
        ));
    }

    #[test]
    fn a_descriptor_of_our_own_was_not_given_to_us() {
        let own = File::options()
            .write(true)
            .open("/dev/null")
            .expect("opens");
        for number in [own.as_raw_fd(), 1 << 20] {
            for place in ["/dev/fd", "/proc/self/fd"] {
                let error = at(format!("{place}/{number}")).expect_err("is refused");
                assert!(error.to_string().contains("not open"), "{error}");
            }
        }
    }

    #[test]
    fn a_named_pipe_needs_a_reader_and_is_not_replaced() {
        let directory = tempdir("pipe");
        let path = directory.join("pipe.folded");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("ours");
        let error = at(&path).expect_err("nobody reads");
        assert!(matches!(error, OutfileError::NoReader { .. }), "{error}");
        let read = path.clone();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            let mut pipe = File::open(read).expect("it is there");
            pipe.read_to_string(&mut text).expect("text");
            text
        });
        let Ok(Some(Stream::Open(mut pipe))) = at(&path) else {
            panic!("somebody reads");
        };
        pipe.write_all(b"rows").expect("it waits");
        drop(pipe);
        assert_eq!(reader.join().expect("it ends"), "rows");
        std::fs::remove_dir_all(directory).expect("is removed");
    }
}
