// SPDX-License-Identifier: MIT OR Apache-2.0

//! Switches the kernel's run-time statistics of BPF programs on for the bench, and
//! restores the setting afterwards.

use std::fs;

use anyhow::Context as _;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel measures run times while this exists.
pub(super) struct RunTimeClock {
    before: String,
}

impl RunTimeClock {
    /// Switches the statistics on. They cost every BPF program of the host some
    /// nanoseconds per run.
    pub(super) fn start() -> anyhow::Result<Self> {
        let before = fs::read_to_string(SWITCH)
            .with_context(|| format!("cannot read {SWITCH}: it needs Linux 5.1"))?;
        fs::write(SWITCH, "1").with_context(|| format!("cannot write {SWITCH}"))?;
        Ok(Self { before })
    }
}

impl Drop for RunTimeClock {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SWITCH, self.before.trim()) {
            let before = self.before.trim();
            eprintln!("bench: {SWITCH} stays 1, it was {before}: {error}");
        }
    }
}
