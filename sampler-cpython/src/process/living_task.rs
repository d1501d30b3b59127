// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds a thread that still shows what all threads of a process share. The kernel takes
//! memory, mappings, root and working directory from each thread as it ends, so
//! `/proc/PID` shows none of them once the main thread has ended, even if other threads
//! go on.

use crate::process::proc_file::{read_file, threads};
use crate::process::stat::field;

/// The most bytes read of `/proc/PID/task/TID/stat`; it has some 300.
const MAX_FILE: u64 = 4096;

/// Returns a thread of the process `pid` that has not ended, if its main thread has;
/// `None` otherwise. The number can be used like a pid: `/proc` has a directory for every
/// thread, and `process_vm_readv(2)` accepts one.
pub fn living_task(pid: u32) -> Option<u32> {
    // While the main thread lives, `/proc/PID` itself shows everything.
    let is_main_over = has_ended(&read_file(pid, "stat", MAX_FILE).ok()?)?;
    if !is_main_over {
        return None;
    }
    threads(pid).ok()?.into_iter().find(|tid| {
        let stat = read_file(pid, &format!("task/{tid}/stat"), MAX_FILE);
        stat.is_ok_and(|stat| has_ended(&stat) == Some(false))
    })
}

/// Whether a task has ended, by the third field of proc_pid_stat(5).
fn has_ended(stat: &[u8]) -> Option<bool> {
    let state: char = field(stat, 3)?;
    Some(matches!(state, 'Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_thread_that_runs_needs_no_other() {
        assert_eq!(living_task(std::process::id()), None);
        assert_eq!(living_task(u32::MAX), None);
    }

    #[test]
    fn a_name_cannot_look_like_an_end() {
        assert_eq!(has_ended(b"7 (a) Z) S 1 7"), Some(false));
        assert_eq!(has_ended(b"7 (a) S) Z 1 7"), Some(true));
        assert_eq!(has_ended(b"7 (a)"), None);
        assert_eq!(has_ended(b""), None);
    }
}
