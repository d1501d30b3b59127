// SPDX-License-Identifier: MIT OR Apache-2.0

//! Describes the machine, the kernel and the program that the figures are of.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::procfs;
use xtask::process::probe;

/// Describes this machine and the pyebpf at `binary`.
pub(super) fn describe(binary: &Path) -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let cpus = std::thread::available_parallelism().map_or(0, |count| count.get());
    json!({
        "time": now.map_or(0, |now| now.as_secs()),
        "program": probe(Command::new(binary).arg("--version")),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "cpu": cpu_model(&read("/proc/cpuinfo")),
        "cpus": cpus,
        "virtual_machine": read("/proc/cpuinfo").contains(" hypervisor"),
        "memory_kib": procfs::machine_memory(),
    })
}

/// Returns the share of all CPUs that other programs use now, 0 to 1, while this one
/// sleeps; `None` if `/proc/stat` cannot be read. A load average would still include
/// the build just before.
pub(super) fn others_share() -> Option<f64> {
    let stat = || fs::read_to_string("/proc/stat").ok();
    let before = cpu_times(&stat()?)?;
    thread::sleep(OTHERS_WINDOW);
    let now = cpu_times(&stat()?)?;
    let [idle, all] = [now[0] - before[0], now[1] - before[1]];
    (all > 0.0).then(|| 1.0 - idle / all)
}

/// How long [`others_share`] measures.
const OTHERS_WINDOW: Duration = Duration::from_secs(2);

/// Returns the idle time of all CPUs, waiting for I/O included, and their total time,
/// in clock ticks (proc_stat(5)).
fn cpu_times(stat: &str) -> Option<[f64; 2]> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields = line.split_whitespace().map(str::parse);
    // The last two fields, the time of guests, are already part of user time.
    let fields: Vec<f64> = fields.take(8).collect::<Result<_, _>>().ok()?;
    let idle = fields.get(3)? + fields.get(4)?;
    Some([idle, fields.iter().sum()])
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::cpu_times;

    #[test]
    fn time_of_guests_counts_once() {
        let stat = "cpu  100 1 20 700 30 0 5 44 60 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(cpu_times(stat), Some([730.0, 900.0]));
        assert_eq!(cpu_times("intr 1"), None);
    }
}
