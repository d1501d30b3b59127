// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the CPU time of threads and processes, as the kernel counts it, from `/proc`.

use std::collections::HashMap;
use std::time::Duration;

use crate::process::proc_file::{ProcessError, malformed, read_file, threads};
use crate::process::stat::{cpu_ticks, ticks};

/// The most bytes read of a file about a thread.
const MAX_FILE: u64 = 4096;
/// How long a thread runs at least until its clock ticks can be others than before: a clock
/// tick of `/proc`, of which every kernel that we support has a hundred a second.
const TICK: Duration = Duration::from_millis(10);

/// What the CPU-time clock of a thread shows: how long it has run since it began, and how
/// many of the kernel's clock ticks it spent in which mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadCpuClock {
    /// The CPU time in both modes together.
    pub all: Duration,
    /// The time in user mode, in clock ticks.
    pub user: u64,
    /// The time in the kernel, in clock ticks.
    pub system: u64,
    /// What `all` was when the clock ticks were read: less than a tick earlier.
    pub ticks_at: Duration,
}

/// What the CPU-time clocks of a process and of its threads show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessCpuClock {
    /// Of all its threads, including those that have ended, to 10 ms.
    pub all: ThreadCpuClock,
    /// Of each thread that lives, with its id.
    pub threads: Vec<(u32, ThreadCpuClock)>,
}

/// Reads the CPU time of the process `pid` and of each of its threads. A thread that ends
/// during the read is left out. `before` is what was read the last time, which saves half of
/// the files of threads that have hardly run since.
///
/// # Errors
/// [`ProcessError`] when the process is gone or cannot be read.
pub fn of_process(
    pid: u32,
    before: Option<&ProcessCpuClock>,
) -> Result<ProcessCpuClock, ProcessError> {
    let stat = read_file(pid, "stat", MAX_FILE)?;
    let (user, system) = cpu_ticks(&stat).ok_or_else(|| malformed(pid, "stat"))?;
    let all = ticks(user.saturating_add(system));
    let before = before.map_or(&[][..], |before| &before.threads);
    let before: HashMap<_, _> = before.iter().map(|(tid, clock)| (*tid, clock)).collect();
    let times = threads(pid)?.into_iter();
    Ok(ProcessCpuClock {
        all: ThreadCpuClock {
            all,
            user,
            system,
            ticks_at: all,
        },
        threads: times
            .filter_map(|tid| Some((tid, of_thread(pid, tid, before.get(&tid).copied()).ok()?)))
            .collect(),
    })
}

/// Reads the CPU time of one thread. `before` is what was read the last time.
///
/// # Errors
/// [`ProcessError`] when the thread is gone or cannot be read.
pub fn of_thread(
    pid: u32,
    tid: u32,
    before: Option<&ThreadCpuClock>,
) -> Result<ThreadCpuClock, ProcessError> {
    // Exact to the nanosecond; missing without CONFIG_SCHED_INFO.
    let exact = read_file(pid, &format!("task/{tid}/schedstat"), MAX_FILE);
    let exact = exact.ok().and_then(|text| parse_schedstat(&text));
    if let (Some(all), Some(before)) = (exact, before)
        && let Some(run) = all.checked_sub(before.ticks_at)
        && run < TICK
    {
        return Ok(ThreadCpuClock { all, ..*before });
    }
    let name = format!("task/{tid}/stat");
    let stat = read_file(pid, &name, MAX_FILE)?;
    let (user, system) = cpu_ticks(&stat).ok_or_else(|| malformed(pid, &name))?;
    let all = exact.unwrap_or_else(|| ticks(user.saturating_add(system)));
    Ok(ThreadCpuClock {
        all,
        user,
        system,
        ticks_at: all,
    })
}

/// Parses the first field of `/proc/PID/schedstat`: nanoseconds on a CPU
/// (Documentation/scheduler/sched-stats.rst).
fn parse_schedstat(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    let nanoseconds = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used() -> Duration {
        let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
        nix::time::clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
    }

    #[test]
    fn agrees_with_what_we_use() {
        let pid = std::process::id();
        let tid = nix::unistd::gettid().as_raw().unsigned_abs();
        let least = used();
        while used() < least + Duration::from_millis(30) {}
        let time = of_thread(pid, tid, None).expect("it runs").all;
        let most = used();
        assert!(time >= least + Duration::from_millis(30), "{time:?}");
        assert!(time <= most, "{time:?}, {most:?}");
        let process = of_process(pid, None).expect("it runs");
        let this = process.threads.iter().find(|(other, _)| *other == tid);
        assert!(this.is_some_and(|(_, now)| now.all >= time));
        assert!(process.all.all + Duration::from_millis(20) >= time);
        assert!(of_process(u32::MAX, None).is_err());
    }

    #[test]
    fn ticks_are_read_again_once_there_can_be_others() {
        let pid = std::process::id();
        let tid = nix::unistd::gettid().as_raw().unsigned_abs();
        let start = used();
        while used() < start + 5 * TICK {}
        // Ticks that no thread has.
        let first = ThreadCpuClock {
            user: u64::MAX,
            ..of_thread(pid, tid, None).expect("it runs")
        };
        let soon = of_thread(pid, tid, Some(&first)).expect("it runs");
        assert_eq!((soon.user, soon.ticks_at), (u64::MAX, first.ticks_at));
        // The kernel brings the time of a thread that runs up to date once a tick.
        let start = used();
        while used() < start + 3 * TICK {}
        let later = of_thread(pid, tid, Some(&soon)).expect("it runs");
        assert!(
            later.user < u64::MAX && later.ticks_at == later.all,
            "{later:?}"
        );
        // One whose clock is ahead is another thread, with the same id.
        let other = ThreadCpuClock {
            ticks_at: later.all * 2,
            ..first
        };
        let read = of_thread(pid, tid, Some(&other)).expect("it runs");
        assert!(read.user < u64::MAX);
        let all = ProcessCpuClock {
            all: later,
            threads: vec![(
                tid,
                ThreadCpuClock {
                    ticks_at: read.all,
                    ..first
                },
            )],
        };
        let all = of_process(pid, Some(&all)).expect("it runs");
        let this = all.threads.iter().find(|(other, _)| *other == tid);
        assert_eq!(this.map(|(_, clock)| clock.user), Some(u64::MAX));
    }

    #[test]
    fn what_is_no_stat_is_none() {
        let stat = b"7 (a) b) R 1 7 7 0 -1 4194560 134 0 0 0 12 34 0 0 20 0 1 0 5";
        assert_eq!(cpu_ticks(stat), Some((12, 34)));
        for text in [
            &b""[..],
            b"7 (a",
            b"7 (a) R 1",
            b"7 (a) R 1 7 7 0 -1 4 1 0 0 0 x 3",
            b"\xff)\xff",
        ] {
            assert_eq!(cpu_ticks(text), None);
        }
        assert_eq!(
            parse_schedstat(b"123 4 5\n"),
            Some(Duration::from_nanos(123))
        );
        assert_eq!(parse_schedstat(b""), None);
        assert_eq!(parse_schedstat(b"-1 2"), None);
    }
}
