// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much work a target does for its CPU time, and how much memory pyebpf uses.

use std::fs;

use crate::support::target::Target;

/// What `work_rate.py` has done so far.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    rounds: f64,
    cpu: f64,
}

impl Work {
    pub(crate) fn so_far(target: &mut Target) -> Self {
        target.say("how much?");
        let line = target.next_line();
        let number = |name: &str| line[name].as_f64().expect("a number");
        Self {
            rounds: number("work"),
            cpu: number("cpu"),
        }
    }

    /// Returns the rounds for each second of CPU time since `before`.
    pub(crate) fn rate_since(self, before: Self) -> f64 {
        (self.rounds - before.rounds) / (self.cpu - before.cpu)
    }
}

/// Returns the most memory that a process had resident so far, in MiB.
pub(crate) fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.expect("every process has memory") / 1024
}
