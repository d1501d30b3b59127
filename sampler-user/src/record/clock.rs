// SPDX-License-Identifier: MIT OR Apache-2.0

//! The clocks that a recording reads, and the header of its trace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use sampler_cpython::process::time_namespace::kernel_monotonic_now;
use sampler_trace::container::info::TraceInfo;
use sampler_trace::model::identifiers::KernelTime;

use crate::cli::config::{SamplingConfig, TargetSpec};

/// Reads the kernel's own `CLOCK_MONOTONIC`, by which the eBPF program dates samples; a
/// time namespace does not shift it.
pub fn monotonic_now() -> KernelTime {
    KernelTime(kernel_monotonic_now())
}

/// A bound, with a margin, on the error of the kernel's clock where it is read in an
/// interrupt (`ktime_get_mono_fast_ns`).
const BLUR: Duration = Duration::from_millis(10);

/// Whether something that arrives at `now` can have happened at `time`, in a recording
/// that began at `start`. If not, `time` comes from another clock.
pub(super) fn can_have_been(start: KernelTime, time: KernelTime, now: KernelTime) -> bool {
    start.saturating_sub(BLUR) <= time && time <= now.saturating_add(BLUR)
}

/// Returns the CPU time that the calling thread has used.
pub(super) fn thread_cpu_time() -> Duration {
    cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// Returns the CPU time that all threads of this process have used.
pub(super) fn process_cpu_time() -> Duration {
    cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_time(clock: ClockId) -> Duration {
    // Both clocks exist on every Linux.
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

/// Returns the time now, in microseconds of Unix time.
pub fn unix_now_us() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(unix.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn trace_info(config: &SamplingConfig) -> TraceInfo {
    let read = |path| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let command = match &config.target {
        TargetSpec::Command(words) if config.command_lines => words
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
        unix_start_us: unix_now_us(),
        program: concat!("pyebpf ", env!("CARGO_PKG_VERSION")).into(),
        command,
        boot: read("/proc/sys/kernel/random/boot_id"),
        carries_on: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_another_clock_is_told() {
        let (start, now) = (KernelTime(5_000_000_000), KernelTime(9_000_000_000));
        let is_it = |seconds: f64| can_have_been(start, KernelTime((seconds * 1e9) as u64), now);
        for right in [5.0, 4.995, 7.0, 9.0, 9.005] {
            assert!(is_it(right), "{right}");
        }
        for wrong in [0.0, 4.9, 9.1, 86_409.0] {
            assert!(!is_it(wrong), "{wrong}");
        }
    }
}
