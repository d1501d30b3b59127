// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks the kernel itself: its version, its types and its lockdown mode.

use crate::commands::doctor::check::{Check, CheckResult};
use crate::commands::doctor::probe::Probe;

/// The first kernel with the BPF ring buffer and with `CAP_BPF`.
const RING_BUFFER: (u32, u32) = (5, 8);
/// The first kernel that charges BPF memory to the cgroup, not to `RLIMIT_MEMLOCK`.
const NO_LOCKED_MEMORY: (u32, u32) = (5, 11);
/// The first kernel with `bpf_loop`.
const LOOP_HELPER: (u32, u32) = (5, 17);

/// The kernel's release: major and minor number, and the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    number: (u32, u32),
    text: String,
}

impl Release {
    /// Reads what `uname -r` prints; `None` when it does not begin with two numbers.
    pub(super) fn read(probe: &Probe<'_>) -> Option<Self> {
        let text = probe.read("/proc/sys/kernel/osrelease")?;
        let mut parts = text.split(|letter: char| !letter.is_ascii_digit());
        let number = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { number, text })
    }

    /// Whether BPF memory counts as locked memory.
    pub(super) fn charges_locked_memory(&self) -> bool {
        self.number < NO_LOCKED_MEMORY
    }
}

pub(super) fn architecture(probe: &Probe<'_>) -> Check {
    const ID: &str = "architecture";
    match probe.architecture {
        "x86_64" => Check::ok(ID, "x86_64"),
        other => Check::wrong(
            ID,
            CheckResult::Missing,
            format!("{other}: only x86_64 is supported"),
            "record on an x86_64 machine",
        ),
    }
}

pub(super) fn version(release: Option<&Release>) -> Check {
    const ID: &str = "kernel-version";
    let Some(Release { number, text }) = release else {
        return Check::wrong(
            ID,
            CheckResult::Unknown,
            "/proc/sys/kernel/osrelease has no version",
            "mount /proc",
        );
    };
    if *number < RING_BUFFER {
        Check::wrong(
            ID,
            CheckResult::Missing,
            format!("{text}: has no BPF ring buffer (added in 5.8)"),
            "use Linux 5.8 or later",
        )
    } else if *number < LOOP_HELPER {
        Check::ok(
            ID,
            format!(
                "{text}: has the BPF ring buffer (5.8), but not bpf_loop (5.17); stacks are walked without it"
            ),
        )
    } else {
        Check::ok(
            ID,
            format!("{text}: has the BPF ring buffer (5.8) and bpf_loop (5.17)"),
        )
    }
}

pub(super) fn btf(probe: &Probe<'_>) -> Check {
    const ID: &str = "kernel-types";
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    match probe.size(PATH) {
        Some(size) if size > 0 => Check::ok(ID, format!("{PATH} exists")),
        _ => Check::wrong(
            ID,
            CheckResult::Missing,
            format!("{PATH} cannot be read: the layout of the kernel's structures is unknown"),
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as the distributions' are; \
             in a container, mount /sys",
        ),
    }
}

pub(super) fn lockdown(probe: &Probe<'_>) -> Check {
    const ID: &str = "lockdown";
    const PATH: &str = "/sys/kernel/security/lockdown";
    match probe.read(PATH) {
        Some(modes) if modes.contains("[confidentiality]") => Check::wrong(
            ID,
            CheckResult::Missing,
            format!("{PATH} is {modes}: BPF programs may not read kernel memory"),
            "boot without lockdown=confidentiality; lockdown=integrity is fine",
        ),
        Some(modes) => Check::ok(ID, format!("{PATH} is {modes}")),
        None => Check::ok(ID, format!("{PATH} does not exist")),
    }
}
