// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds since when a process, or one that it was forked from, has run its program. Code
//! that it runs may have been loaded before the process itself began, but not before that
//! time.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

use crate::process::proc_file::{ProcessError, malformed, read_file};
use crate::process::stat::{field, ticks};

/// The most bytes read of a file in `/proc`.
const MAX_FILE: u64 = 64 * 1024;
/// The most forks that are followed back.
const MOST_FORKS: usize = 64;

/// Returns when the oldest process started that `pid` was forked from and that runs the
/// same program, or when `pid` itself did.
///
/// Where a process ran another program before, such as the shell of a container that ends
/// in `exec`, this is when that one started: nothing tells more.
///
/// # Errors
/// [`ProcessError`] when `pid` is gone or cannot be read.
pub(super) fn program_start(pid: u32) -> Result<SystemTime, ProcessError> {
    // The kernel puts the program, its interpreter and the vDSO at random addresses and
    // tells the process where (getauxval(3)); only a fork has the same ones.
    let addresses = read_file(pid, "auxv", MAX_FILE)?;
    let (mut parent, mut start) = parent_and_start(pid)?;
    for _ in 0..MOST_FORKS {
        let has_same = |other| read_file(other, "auxv", MAX_FILE).is_ok_and(|it| it == addresses);
        if parent == 0 || addresses.is_empty() || !has_same(parent) {
            break;
        }
        let Ok(next) = parent_and_start(parent) else {
            break;
        };
        // A parent that started later has a reused pid.
        if next.1 > start {
            break;
        }
        (parent, start) = next;
    }
    Ok(wall_clock(start))
}

/// Reads fields 4 and 22 of proc_pid_stat(5).
fn parent_and_start(pid: u32) -> Result<(u32, u64), ProcessError> {
    let stat = read_file(pid, "stat", MAX_FILE)?;
    parse_stat(&stat).ok_or_else(|| malformed(pid, "stat"))
}

fn parse_stat(stat: &[u8]) -> Option<(u32, u64)> {
    Some((field(stat, 4)?, field(stat, 22)?))
}

/// Converts a time since boot to the clock that files are dated by.
fn wall_clock(since_boot: u64) -> SystemTime {
    let since_boot = ticks(since_boot);
    let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    let ago = boot.saturating_sub(since_boot);
    let now = SystemTime::now();
    now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_who_began_it_and_when() {
        let stat = b"7 (a) R 1 (x)) S 12 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(parse_stat(stat), Some((12, 4711)));
        assert_eq!(parse_stat(b"7 (a) S 12 7"), None);
        assert_eq!(parse_stat(b")"), None);
    }

    #[test]
    fn a_program_is_younger_than_the_one_that_started_it() {
        let ours = program_start(std::process::id()).expect("we live");
        assert!(ours <= SystemTime::now());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("it is there");
        let theirs = program_start(child.id());
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        assert!(theirs.expect("it lives") >= ours);
        assert!(program_start(u32::MAX).is_err());
    }
}
