// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads from `/proc` what a process costs: CPU time, memory, and the run time of the
//! BPF programs that it holds.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::Pid;

/// `BPF_PROG_TYPE_PERF_EVENT` (`include/uapi/linux/bpf.h`).
const PERF_EVENT: u64 = 7;

/// How often a BPF program ran, and for how long in total.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RunTime {
    /// The number of runs.
    pub(super) count: u64,
    /// Time in the program, without the interrupt around it.
    pub(super) total: Duration,
}

/// CPU time by where it was spent, in clock ticks (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Division {
    /// In user mode.
    pub(super) user: u64,
    /// In the kernel.
    pub(super) system: u64,
}

/// Returns the CPU time, user and system, of the threads that a process has now.
pub(super) fn cpu_time(process: Pid) -> anyhow::Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let mut sum = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        // Nanoseconds on a CPU, nanoseconds waiting for one, number of time slices.
        let on_cpu: u64 = text
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .context("a schedstat has no first number: the kernel lacks CONFIG_SCHED_INFO")?;
        sum += on_cpu;
    }
    Ok(Duration::from_nanos(sum))
}

/// Returns the CPU time of a process, user and system, with that of its threads that have
/// ended.
pub(super) fn whole_cpu_time(process: Pid) -> anyhow::Result<Duration> {
    let clock = nix::time::clock_getcpuclockid(process)?;
    Ok(nix::time::clock_gettime(clock)?.into())
}

/// Returns the CPU time of a process and of its descendants that still run.
pub(super) fn cpu_time_of_tree(process: Pid) -> anyhow::Result<Duration> {
    let mut sum = cpu_time(process)?;
    for child in children(process)? {
        // It may have ended by now; its time is lost then.
        sum += cpu_time_of_tree(child).unwrap_or_default();
    }
    Ok(sum)
}

/// Returns how the CPU time of a process and of its descendants divides into user and
/// system time.
pub(super) fn division_of_tree(process: Pid) -> Division {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let mut sum = division(&stat).unwrap_or_default();
    for child in children(process).unwrap_or_default() {
        let more = division_of_tree(child);
        sum.user += more.user;
        sum.system += more.system;
    }
    sum
}

/// Reads fields 14 and 15 of `/proc/PID/stat` (proc(5)). They are counted from the last
/// `)`, since the name before it may contain anything.
fn division(stat: &str) -> Option<Division> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse().ok();
    Some(Division {
        user: next()?,
        system: next()?,
    })
}

/// Returns a process and its descendants that still run, itself first.
pub(super) fn tree(process: Pid) -> Vec<Pid> {
    let mut all = vec![process];
    for child in children(process).unwrap_or_default() {
        all.extend(tree(child));
    }
    all
}

/// Returns the number of threads that a process and its descendants have now.
pub(super) fn threads_of_tree(process: Pid) -> usize {
    let threads = |it: &Pid| fs::read_dir(format!("/proc/{it}/task")).map_or(0, Iterator::count);
    tree(process).iter().map(threads).sum()
}

/// Returns the processes that any thread of this one started.
fn children(process: Pid) -> anyhow::Result<Vec<Pid>> {
    let tasks = format!("/proc/{process}/task");
    let mut found = Vec::new();
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))? {
        let list = task?.path().join("children");
        let text = fs::read_to_string(&list).with_context(|| {
            format!(
                "cannot read {}: it needs CONFIG_PROC_CHILDREN",
                list.display()
            )
        })?;
        let numbers = text
            .split_whitespace()
            .map_while(|number| number.parse().ok());
        found.extend(numbers.map(Pid::from_raw));
    }
    Ok(found)
}

/// Returns the peak resident memory of a process so far, in KiB; `None` once it has
/// ended.
pub(super) fn peak_memory(process: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    number_after(&status, "VmHWM:")
}

/// Returns the resident memory of a process, in KiB; `None` once it has ended.
pub(super) fn resident_memory(process: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    number_after(&status, "VmRSS:")
}

/// Returns the run time of the perf-event program that a process holds; `None` if it
/// holds none. The kernel counts only while `bpf_stats_enabled` is 1.
pub(super) fn perf_event_program(process: Pid) -> anyhow::Result<Option<RunTime>> {
    first_file(process, run_time_of)
}

/// Whether a process has a perf event open.
pub(super) fn has_perf_event(process: Pid) -> anyhow::Result<bool> {
    let directory = format!("/proc/{process}/fd");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot list {directory}"))?;
    let mut targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    Ok(targets.any(|target| target == Path::new("anon_inode:[perf_event]")))
}

/// Applies `look` to the `fdinfo` of each open file of a process, and returns what it
/// finds first.
fn first_file<T>(process: Pid, look: impl Fn(&str) -> Option<T>) -> anyhow::Result<Option<T>> {
    let directory = format!("/proc/{process}/fdinfo");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot list {directory}"))?;
    for entry in entries {
        // The process may have closed it by now.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        if let Some(found) = look(&text) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Returns the total memory of this machine, in KiB.
pub(super) fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string(Path::new("/proc/meminfo")).ok()?;
    number_after(&text, "MemTotal:")
}

fn run_time_of(fdinfo: &str) -> Option<RunTime> {
    if number_after(fdinfo, "prog_type:")? != PERF_EVENT {
        return None;
    }
    Some(RunTime {
        count: number_after(fdinfo, "run_cnt:")?,
        total: Duration::from_nanos(number_after(fdinfo, "run_time_ns:")?),
    })
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Division, RunTime, division, run_time_of};

    #[test]
    fn only_a_perf_event_program_counts() {
        let program = "pos:\t0\nprog_type:\t7\nprog_jited:\t1\nrun_time_ns:\t23136339\nrun_cnt:\t5769\nverified_insns:\t5198\n";
        let expected = RunTime {
            count: 5769,
            total: Duration::from_nanos(23_136_339),
        };
        assert_eq!(run_time_of(program), Some(expected));
        assert_eq!(run_time_of(&program.replace("\t7\n", "\t17\n")), None);
        let link = "pos:\t0\nlink_type:\tperf\nprog_id:\t825\n";
        assert_eq!(run_time_of(link), None);
    }

    #[test]
    fn a_name_with_blanks_and_brackets_moves_no_field() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 9 0 0 0 12 34 0 0 20 0 1 0";
        let expected = Division {
            user: 12,
            system: 34,
        };
        assert_eq!(division(stat), Some(expected));
        assert_eq!(division("7 (a"), None);
    }
}
