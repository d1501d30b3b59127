//! Which machine, kernel and program the figures are of. It refuses to know
//! the figures.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::procfs;
use crate::process::probe;

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

/// The load average of the last minute: how much else ran meanwhile.
pub(super) fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}
