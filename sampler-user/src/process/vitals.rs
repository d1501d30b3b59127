//! Cheap looks at a process: whether it is still the one that it was, and whether
//! it has loaded code since. It refuses to look at what it loaded.

use super::identity::{ProcessError, malformed, read_file};

/// Most bytes read of a file of `/proc`; the longest, `status`, has some 1500.
const MAX_FILE: u64 = 64 * 1024;

/// When the process `pid` started, in clock ticks since boot: tells it from a
/// later process with its number.
///
/// # Errors
/// [`ProcessError`]; a process that has ended is gone, also while its parent has
/// not asked for its status.
pub fn start_time(pid: u32) -> Result<u64, ProcessError> {
    let stat = read_file(pid, "stat", MAX_FILE)?;
    let vitals = parse_stat(&stat).ok_or_else(|| malformed(pid, "stat"))?;
    if vitals.has_ended {
        return Err(ProcessError::Gone { pid });
    }
    Ok(vitals.start_time)
}

/// How many KiB of code the process `pid` has mapped: it grows with every library
/// that is loaded. `None` for a kernel thread and for a process that has ended.
///
/// # Errors
/// [`ProcessError`].
pub fn mapped_code(pid: u32) -> Result<Option<u64>, ProcessError> {
    Ok(parse_code(&read_file(pid, "status", MAX_FILE)?))
}

struct Vitals {
    has_ended: bool,
    start_time: u64,
}

/// Fields 3, 20 and 22 of proc_pid_stat(5). The name before them may hold
/// anything. A main thread can end before the others: then it is a zombie, and
/// the process lives.
fn parse_stat(stat: &[u8]) -> Option<Vitals> {
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(close.checked_add(1)?..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    let start_time = fields.nth(1)?.parse().ok()?;
    Some(Vitals {
        has_ended: matches!(state, "Z" | "X") && threads <= 1,
        start_time,
    })
}

/// `VmExe` and `VmLib` of proc_pid_status(5) together: the program's own code and
/// all other.
fn parse_code(status: &[u8]) -> Option<u64> {
    let number = |label: &[u8]| {
        let line = status
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(label))?;
        let text = std::str::from_utf8(line).ok()?;
        text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    number(b"VmExe:")?.checked_add(number(b"VmLib:")?)
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
    fn a_zombie_with_threads_lives() {
        let ended = |stat: &[u8]| parse_stat(stat).map(|vitals| vitals.has_ended);
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
    fn a_kernel_thread_has_no_code() {
        assert_eq!(parse_code(b"Name:\tkthreadd\nThreads:\t1\n"), None);
        let status = b"Name:\tVmExe: 9 kB\nVmExe:\t     900 kB\nVmLib:\t    3000 kB\n";
        assert_eq!(parse_code(status), Some(3900));
    }
}
