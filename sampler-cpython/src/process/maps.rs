// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the mappings of a process from `/proc/PID/maps`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::process::proc_file::ProcessError;

/// The most mappings that are read. The kernel's default limit (`vm.max_map_count`) is
/// 65530.
const MAX_MAPPINGS: usize = 262_144;
/// The longest line that is kept, in bytes: a path of `PATH_MAX` in which every byte is
/// escaped.
const MAX_LINE: u64 = 4 * 4096 + 256;

/// One mapping of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The first address after the mapping.
    pub end: u64,
    /// Offset of `start` in the file, in bytes.
    pub offset: u64,
    /// The file's device as the kernel's file system layer knows it. On overlay and
    /// btrfs, `stat` reports another one for the same file.
    pub device: (u32, u32),
    /// The file's inode; 0 for memory without a file.
    pub inode: u64,
    /// Whether it is writable.
    pub writable: bool,
    /// Whether it is executable.
    pub executable: bool,
    /// Whether the file was unlinked or its name ends in ` (deleted)`: the kernel writes
    /// both the same way.
    pub deleted: bool,
    /// The file's path, a name such as `[heap]`, or empty.
    pub path: PathBuf,
}

impl Mapping {
    /// Whether it maps a file, rather than anonymous memory.
    pub fn is_file(&self) -> bool {
        self.inode != 0 && self.path.as_os_str().as_bytes().starts_with(b"/")
    }

    /// Returns the last component of the path; empty if there is none.
    pub fn file_name(&self) -> &[u8] {
        self.path
            .file_name()
            .map(OsStr::as_bytes)
            .unwrap_or_default()
    }
}

/// Reads all mappings of `pid`, in address order. There are none for kernel threads and
/// zombies, nor for a process whose main thread has ended before its other threads (see
/// `living_task`).
///
/// # Errors
/// [`ProcessError`] when the process is gone or cannot be read.
pub fn read_maps(pid: u32) -> Result<Vec<Mapping>, ProcessError> {
    let path = format!("/proc/{pid}/maps");
    let path = Path::new(&path);
    let failed = |error| ProcessError::new(pid, path, error);
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path).map_err(failed)?);
    let mut mappings = Vec::new();
    let mut line = Vec::new();
    for _ in 0..MAX_MAPPINGS {
        line.clear();
        let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(failed)? == 0 {
            break;
        }
        mappings.extend(parse_line(line.strip_suffix(b"\n").unwrap_or(&line)));
    }
    Ok(mappings)
}

/// Parses one line (proc_pid_maps(5)); `None` if it is malformed.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let (start, end) = split_once(field(&mut rest)?, b'-')?;
    let flags = field(&mut rest)?;
    let offset = hexadecimal(field(&mut rest)?)?;
    let (major, minor) = split_once(field(&mut rest)?, b':')?;
    let inode = std::str::from_utf8(field(&mut rest)?).ok()?.parse().ok()?;
    let path = rest.trim_ascii_start();
    let (path, deleted) = match path.strip_suffix(b" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    };
    let (start, end) = (hexadecimal(start)?, hexadecimal(end)?);
    (start < end).then(|| Mapping {
        start,
        end,
        offset,
        device: device(major, minor).unwrap_or_default(),
        inode,
        writable: flags.get(1) == Some(&b'w'),
        executable: flags.get(2) == Some(&b'x'),
        deleted,
        path: PathBuf::from(OsStr::from_bytes(&unescape(path))),
    })
}

fn device(major: &[u8], minor: &[u8]) -> Option<(u32, u32)> {
    let major = u32::try_from(hexadecimal(major)?).ok()?;
    Some((major, u32::try_from(hexadecimal(minor)?).ok()?))
}

/// Splits off the field before the next space; `None` if it is empty.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (field, behind) = match split_once(rest, b' ') {
        Some(parts) => parts,
        None => (*rest, &[][..]),
    };
    *rest = behind;
    (!field.is_empty()).then_some(field)
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(1)?..)?))
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Replaces `\012` by a line break, the only character that the kernel escapes in a path
/// (`seq_path` in fs/proc/task_mmu.c). A name that really contains `\012` cannot be told
/// from it.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(b"\\012") {
            plain.push(b'\n');
            rest = behind;
        } else {
            plain.push(*first);
            rest = behind;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_our_own_program() {
        let maps = read_maps(std::process::id()).expect("we may look at ourselves");
        let exe = std::env::current_exe().expect("we have one");
        assert!(
            maps.iter()
                .any(|map| map.is_file() && map.executable && map.path == exe)
        );
        assert!(
            maps.iter()
                .any(|map| map.path == Path::new("[stack]") && !map.is_file())
        );
    }

    #[test]
    fn reads_every_field() {
        let line = b"7f00dead0000-7f00deae0000 r-xp 0001f000 fd:1a 131 \t /a b\\012c (deleted)";
        let map = parse_line(line).expect("a good line");
        assert_eq!((map.start, map.end), (0x7f00_dead_0000, 0x7f00_deae_0000));
        assert_eq!(
            (map.offset, map.device, map.inode),
            (0x1f000, (0xfd, 0x1a), 131)
        );
        assert!(map.executable && !map.writable && map.deleted);
        assert_eq!(map.path, Path::new("/a b\nc"));
        assert_eq!(map.file_name(), b"a b\nc");
    }

    #[test]
    fn anonymous_memory_has_no_path() {
        let map = parse_line(b"1000-2000 rw-p 00000000 00:00 0 ").expect("a good line");
        assert!(!map.is_file() && map.writable && map.path.as_os_str().is_empty());
        assert!(parse_line(b"1000-2000 rw-p 00000000 00:00 0").is_some());
    }

    #[test]
    fn refuses_what_is_not_a_mapping() {
        for line in [
            &b""[..],
            b"-",
            b"1000-2000",
            b"2000-1000 rw-p 0 0:0 0",
            b"1000-1000 rw-p 0 0:0 0",
            b"fffffffffffffffff-2 rw-p 0 0:0 0",
            b"1000-2000 rw-p 0 0:0 99999999999999999999999",
            b"1000-2000 rw-p \xff 0:0 0",
        ] {
            assert_eq!(parse_line(line), None, "{}", String::from_utf8_lossy(line));
        }
    }
}
