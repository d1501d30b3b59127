// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who a process is: what `/proc/PID` says about its start and its names. Only the start
//! time distinguishes two owners of one pid.

use std::path::PathBuf;
use std::{fs, io};

use crate::process::environment::variable;
use crate::process::living_task::living_task;
use crate::process::proc_file::{ProcessError, malformed, proc_path, read_file};
use crate::process::program::{file_name, is_of_cache, program_name};
use crate::process::stat::field;
use crate::process::status::numbers;

/// The most bytes of a command line that are kept.
const MAX_COMMAND_LINE: u64 = 4096;
/// The most bytes read of any other file; the longest, `status`, has some 1500.
const MAX_PROC_FILE: u64 = 64 * 1024;

/// The names, numbers and start time of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// The thread group id in our pid namespace.
    pub pid: u32,
    /// The pid in the innermost namespace that the process lives in.
    pub namespace_pid: u32,
    /// When it started, in clock ticks (`_SC_CLK_TCK`) since boot.
    pub start_time: u64,
    /// The kernel's name of the main thread, at most 15 bytes.
    pub comm: String,
    /// What it runs: for Python, the file name of its script or its module; otherwise the
    /// file name of its program; its `comm` when the command line is empty.
    pub program: String,
    /// The command line for display: arguments joined by spaces, at most 4 KiB, without
    /// control characters. Empty for a kernel thread or a zombie.
    pub command_line: String,
    /// The target of `/proc/PID/exe`; `None` when it cannot be read.
    pub executable: Option<PathBuf>,
    /// Its effective user id in our user namespace; `None` when that is not known.
    pub uid: Option<u32>,
}

impl ProcessIdentity {
    /// Returns the identity of a process of which only the pid is known.
    #[must_use]
    pub fn unknown(pid: u32) -> Self {
        Self {
            pid,
            namespace_pid: pid,
            start_time: 0,
            comm: String::new(),
            program: String::new(),
            command_line: String::new(),
            executable: None,
            uid: None,
        }
    }

    /// Reads the identity of the process `pid`.
    ///
    /// # Errors
    /// [`ProcessError`] when the process is gone or cannot be read.
    pub fn read(pid: u32) -> Result<Self, ProcessError> {
        let stat = read_file(pid, "stat", MAX_PROC_FILE)?;
        let (comm, start_time) = parse_stat(&stat).ok_or_else(|| malformed(pid, "stat"))?;
        let status = read_file(pid, "status", MAX_PROC_FILE)?;
        let mut command_line = read_file(pid, "cmdline", MAX_COMMAND_LINE)?;
        let mut shown = pid;
        if command_line.is_empty()
            && let Some(tid) = living_task(pid)
        {
            shown = tid;
            command_line = read_file(tid, "cmdline", MAX_COMMAND_LINE)?;
        }
        let arguments = arguments(&command_line);
        let program = program_name(arguments).filter(|name| !name.is_empty());
        // An unpacked PEX file runs from a cache; this variable names the file that was
        // started.
        let started = program.filter(|name| is_of_cache(name));
        let started = started.and_then(|_| variable(shown, "PEX"));
        let program = started.as_deref().map(file_name).or(program);
        Ok(Self {
            program: program.map_or_else(|| comm.clone(), display),
            pid,
            namespace_pid: namespace_pids(&status).pop().unwrap_or(pid),
            start_time,
            comm,
            command_line: display_command_line(&command_line),
            executable: fs::read_link(proc_path(shown, "exe")).ok(),
            uid: numbers(&status, "Uid").get(1).copied(),
        })
    }
}

/// Lists the thread group ids of all running processes, kernel threads included.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn running_pids() -> io::Result<Vec<u32>> {
    Ok(fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

/// Reads the kernel's name of one thread, at most 15 bytes.
///
/// # Errors
/// [`ProcessError`] when the thread is gone or cannot be read.
pub fn thread_comm(pid: u32, tid: u32) -> Result<String, ProcessError> {
    let comm = read_file(pid, &format!("task/{tid}/comm"), MAX_PROC_FILE)?;
    Ok(display(comm.strip_suffix(b"\n").unwrap_or(&comm)))
}

/// Parses the name and the start time (field 22, see proc_pid_stat(5)). The process
/// chooses its name, which may contain parentheses, so the last one ends it.
fn parse_stat(stat: &[u8]) -> Option<(String, u64)> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let comm = display(stat.get(open.checked_add(1)?..close)?);
    Some((comm, field(stat, 22)?))
}

/// Parses the `NSpid` line (Linux 4.1): the pid in the namespace of `/proc` and in each
/// one below it, down to the innermost. Empty where the line is missing or malformed.
pub fn namespace_pids(status: &[u8]) -> Vec<u32> {
    numbers(status, "NSpid")
}

/// Splits `/proc/PID/cmdline` into arguments, without the empty ones at the end: a
/// process that changes its title leaves zeros there.
fn arguments(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = raw.iter().rposition(|byte| *byte != 0);
    let used = raw.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
    used.split(|byte| *byte == 0)
}

fn display_command_line(raw: &[u8]) -> String {
    let mut text = arguments(raw).map(display).collect::<Vec<_>>().join(" ");
    if raw.len() as u64 >= MAX_COMMAND_LINE {
        text.push('…');
    }
    text
}

/// Decodes text and replaces control characters, which could move the cursor of the
/// terminal that shows it.
fn display(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw)
        .chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::proc_file::threads;

    #[test]
    fn knows_itself() {
        let pid = std::process::id();
        let identity = ProcessIdentity::read(pid).expect("we may look at ourselves");
        assert!(identity.start_time > 0);
        assert!(!identity.command_line.is_empty());
        assert_eq!(identity.executable, std::env::current_exe().ok());
        assert!(running_pids().expect("/proc is there").contains(&pid));
        let threads = threads(pid).expect("we may look at ourselves");
        assert!(threads.contains(&pid));
        assert_eq!(thread_comm(pid, pid).expect("it runs"), identity.comm);
    }

    #[test]
    fn a_pid_nobody_can_have_is_gone() {
        let error = ProcessIdentity::read(u32::MAX).expect_err("beyond PID_MAX_LIMIT");
        assert!(
            matches!(error, ProcessError::Gone { pid: u32::MAX }),
            "{error}"
        );
    }

    #[test]
    fn a_name_may_look_like_the_fields_after_it() {
        let stat = b"7 (a) R 1 (x)) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(parse_stat(stat), Some(("a) R 1 (x)".to_owned(), 4711)));
        assert_eq!(parse_stat(b"7 )("), None);
        assert_eq!(parse_stat(b"7 (a) S 1"), None);
    }

    #[test]
    fn the_innermost_namespace_counts() {
        let numbers = namespace_pids(b"Name:\tx\nNSpid:\t812\t33\t1\n");
        assert_eq!(numbers, [812, 33, 1]);
        assert_eq!(namespace_pids(b"Name:\tx\n"), [0; 0]);
        assert_eq!(namespace_pids(b"NSpid:\t812\tx\n"), [0; 0]);
    }

    #[test]
    fn command_lines_are_harmless_to_show() {
        assert_eq!(
            display_command_line(b"python3\0-c\0\x1b[2J\xff\0"),
            "python3 -c \u{fffd}[2J\u{fffd}"
        );
        assert_eq!(display_command_line(b""), "");
        let long = display_command_line(&[b'x'; MAX_COMMAND_LINE as usize]);
        assert!(long.ends_with("x…"));
    }
}
