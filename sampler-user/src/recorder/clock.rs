//! The clock of a recording, and how its trace is headed. It refuses to know
//! what is recorded.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::config::{RecordConfig, Target};
use crate::timeline::KernelTime;
use crate::trace::TraceInfo;

/// `CLOCK_MONOTONIC`, the clock of the kernel side's samples.
pub(super) fn monotonic_now() -> KernelTime {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    // It exists on every Linux.
    now.map_or(KernelTime(0), |now| {
        KernelTime(Duration::from(now).as_nanos() as u64)
    })
}

/// CPU time that the calling thread has taken.
pub(super) fn thread_cpu_time() -> Duration {
    cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time that all threads of this process have taken.
pub(super) fn process_cpu_time() -> Duration {
    cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_time(clock: ClockId) -> Duration {
    // Both exist on every Linux.
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

pub(super) fn trace_info(config: &RecordConfig) -> TraceInfo {
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let read = |path| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let command = match &config.target {
        Target::Command(words) if config.command_lines => words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        _ => Vec::new(),
    };
    TraceInfo {
        hz: config.hz,
        mode: config.mode,
        host: read("/proc/sys/kernel/hostname"),
        kernel: read("/proc/sys/kernel/osrelease"),
        start: monotonic_now(),
        unix_start_us: unix.as_micros() as u64,
        program: concat!("pyebpf ", env!("CARGO_PKG_VERSION")).into(),
        command,
    }
}
