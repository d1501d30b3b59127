// SPDX-License-Identifier: MIT OR Apache-2.0

//! Cheap checks on a process: whether it is still the same one, and whether it has loaded
//! code since.

use std::time::Duration;

use crate::process::living_task::living_task;
use crate::process::proc_file::{ProcessError, malformed, read_file};
use crate::process::stat::{cpu_ticks, field, ticks};
use crate::process::status::{kib, value};

/// The most bytes read of a file in `/proc`; the longest, `status`, has some 1500.
const MAX_FILE: u64 = 64 * 1024;

/// Returns when the process `pid` started, in clock ticks since boot: this distinguishes
/// it from a later process with the same pid.
///
/// # Errors
/// [`ProcessError`]; a process that has ended counts as gone, even before its parent has
/// reaped it.
pub fn start_time(pid: u32) -> Result<u64, ProcessError> {
    let stat = read_file(pid, "stat", MAX_FILE)?;
    let lifetime = parse_stat(&stat).ok_or_else(|| malformed(pid, "stat"))?;
    if lifetime.has_ended {
        return Err(ProcessError::Gone { pid });
    }
    Ok(lifetime.start_time)
}

/// Returns the CPU time of all threads of the process `pid` so far, those that have ended
/// included, to ten milliseconds.
///
/// # Errors
/// [`ProcessError`] when the process is gone or cannot be read.
pub fn cpu_time(pid: u32) -> Result<Duration, ProcessError> {
    let stat = read_file(pid, "stat", MAX_FILE)?;
    parse_cpu_time(&stat).ok_or_else(|| malformed(pid, "stat"))
}

/// What a process uses of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The CPU time so far of all its threads, those that have ended included, to ten
    /// milliseconds.
    pub cpu: Duration,
    /// How many threads it has.
    pub threads: u64,
    /// Its resident memory in bytes; 0 if that was not asked for.
    pub resident: u64,
}

/// Returns what the process `pid` uses. Its resident memory takes another file to read.
///
/// # Errors
/// [`ProcessError`] when the process is gone or cannot be read.
pub fn usage(pid: u32, with_memory: bool) -> Result<Usage, ProcessError> {
    let stat = read_file(pid, "stat", MAX_FILE)?;
    let parsed = parse_cpu_time(&stat).zip(field(&stat, 20));
    let (cpu, threads) = parsed.ok_or_else(|| malformed(pid, "stat"))?;
    let resident = match with_memory {
        true => resident_bytes(pid)?,
        false => 0,
    };
    Ok(Usage {
        cpu,
        threads,
        resident,
    })
}

fn parse_cpu_time(stat: &[u8]) -> Option<Duration> {
    let (user, system) = cpu_ticks(stat)?;
    Some(ticks(user.checked_add(system)?))
}

/// Returns the resident memory of the process `pid`, in bytes; 0 for one that has ended and
/// was not waited for.
///
/// # Errors
/// [`ProcessError`] when the process is gone or cannot be read.
pub fn resident_bytes(pid: u32) -> Result<u64, ProcessError> {
    let status = read_file(pid, "status", MAX_FILE)?;
    Ok(kib(&status, "VmRSS").unwrap_or(0).saturating_mul(1024))
}

/// Returns how many KiB of code the process `pid` has mapped, which grows with every
/// library that it loads. `None` for a kernel thread and for a process that has ended.
///
/// # Errors
/// [`ProcessError`] when the process is gone or cannot be read.
pub fn mapped_code(pid: u32) -> Result<Option<u64>, ProcessError> {
    let status = read_file(pid, "status", MAX_FILE)?;
    let code = parse_code(&status);
    if code.is_none()
        && is_zombie(&status)
        && let Some(tid) = living_task(pid)
    {
        return Ok(parse_code(&read_file(tid, "status", MAX_FILE)?));
    }
    Ok(code)
}

fn is_zombie(status: &[u8]) -> bool {
    value(status, "State").is_some_and(|state| state.starts_with(b"Z"))
}

/// The addresses of a process's code, stack, data and heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryPlaces([u64; 6]);

/// Reads fields 26 to 28 and 45 to 47 of proc_pid_stat(5); `None` when the process is
/// gone, has no memory, or may not be inspected.
pub fn memory_places(pid: u32) -> Option<MemoryPlaces> {
    parse_places(&read_file(pid, "stat", MAX_FILE).ok()?)
}

fn parse_places(stat: &[u8]) -> Option<MemoryPlaces> {
    let mut places = [0; 6];
    for (place, number) in places.iter_mut().zip([26, 27, 28, 45, 46, 47]) {
        *place = field(stat, number)?;
    }
    // 1 means that we lack permission, 0 that the process has no memory.
    (places[0] > 1).then_some(MemoryPlaces(places))
}

struct Lifetime {
    has_ended: bool,
    start_time: u64,
}

/// Parses fields 3, 20 and 22 of proc_pid_stat(5). A main thread that ends before the
/// others is a zombie although the process lives.
fn parse_stat(stat: &[u8]) -> Option<Lifetime> {
    let (state, threads): (char, u64) = (field(stat, 3)?, field(stat, 20)?);
    Some(Lifetime {
        has_ended: matches!(state, 'Z' | 'X') && threads <= 1,
        start_time: field(stat, 22)?,
    })
}

/// Adds up `VmExe` and `VmLib` of proc_pid_status(5): the program's own code and all
/// other code.
fn parse_code(status: &[u8]) -> Option<u64> {
    kib(status, "VmExe")?.checked_add(kib(status, "VmLib")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::identity::ProcessIdentity;

    #[test]
    fn agrees_with_who_we_are() {
        let pid = std::process::id();
        let identity = ProcessIdentity::read(pid).expect("we may look at ourselves");
        assert_eq!(start_time(pid).expect("we run"), identity.start_time);
        let code = mapped_code(pid).expect("we run").expect("we have code");
        assert!(code > 100, "{code} KiB");
        assert!(matches!(
            start_time(u32::MAX),
            Err(ProcessError::Gone { .. })
        ));
    }

    #[test]
    fn what_we_use_is_what_the_kernel_counts() {
        let pid = std::process::id();
        let with = usage(pid, true).expect("we run");
        assert!(with.threads >= 1 && with.resident > 100_000, "{with:?}");
        assert!(cpu_time(pid).expect("we run") >= with.cpu);
        assert_eq!(usage(pid, false).expect("we run").resident, 0);
        assert!(usage(u32::MAX, true).is_err());
    }

    #[test]
    fn a_zombie_with_threads_lives() {
        let ended = |stat: &[u8]| parse_stat(stat).map(|lifetime| lifetime.has_ended);
        let line = |state, threads| {
            format!("7 (a) Z) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 4711 0 0")
        };
        assert_eq!(ended(line("Z", 1).as_bytes()), Some(true));
        assert_eq!(ended(line("Z", 2).as_bytes()), Some(false));
        assert_eq!(ended(line("S", 1).as_bytes()), Some(false));
        let parsed = parse_stat(line("S", 1).as_bytes()).expect("a good line");
        assert_eq!(parsed.start_time, 4711);
        assert_eq!(ended(b"7 (a) S 1"), None);
    }

    #[test]
    fn places_in_memory_are_those_of_the_documented_fields() {
        let line = |code: &str| {
            let fields = (3..=52).map(|field| match field {
                26 => code.to_owned(),
                _ => field.to_string(),
            });
            let fields: Vec<String> = fields.collect();
            format!("7 (a) 1) {}", fields.join(" ")).replace(") 3 ", ") S ")
        };
        let places = |line: &str| parse_places(line.as_bytes());
        let expected = MemoryPlaces([4096, 27, 28, 45, 46, 47]);
        assert_eq!(places(&line("4096")), Some(expected));
        assert_eq!(places(&line("1")), None);
        assert_eq!(places(&line("0")), None);
        assert_eq!(places("7 (a) S 1 2"), None);
        assert!(memory_places(std::process::id()).is_some());
    }

    #[test]
    fn a_kernel_thread_has_no_code() {
        assert_eq!(parse_code(b"Name:\tkthreadd\nThreads:\t1\n"), None);
        let status = b"Name:\tVmExe: 9 kB\nVmExe:\t     900 kB\nVmLib:\t    3000 kB\n";
        assert_eq!(parse_code(status), Some(3900));
    }
}
