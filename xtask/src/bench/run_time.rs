//! The kernel's own clock around every run of a BPF program: switched on for
//! the bench, and put back. It refuses to read what it measured.

use std::fs;

use anyhow::Context as _;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Run times are measured while this lives.
pub(super) struct RunTimeClock {
    before: String,
}

impl RunTimeClock {
    /// Switches the measuring on. It costs every BPF program of the host some
    /// nanoseconds a run.
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
            eprintln!("xtask: {SWITCH} stays 1, it was {before}: {error}");
        }
    }
}
