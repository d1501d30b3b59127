// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks what this process may do: its capabilities, and the settings that limit it.

use crate::commands::doctor::check::{Check, CheckResult};
use crate::commands::doctor::kernel::Release;
use crate::commands::doctor::probe::Probe;

// Capability numbers of `include/uapi/linux/capability.h`.
const DAC_OVERRIDE: u32 = 1;
const DAC_READ_SEARCH: u32 = 2;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: u32 = 24;
const PERFMON: u32 = 38;
const BPF: u32 = 39;
const CHECKPOINT_RESTORE: u32 = 40;

/// More than all maps use together, in bytes.
const ENOUGH_LOCKED_MEMORY: u64 = 64 * 1024 * 1024;

/// The host's own user namespace: `PROC_USER_INIT_INO` in `include/uapi/linux/nsfs.h`.
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";

const GET_RIGHTS: &str = "run it with sudo, or give the program the capabilities: sudo setcap \
    cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_checkpoint_restore+ep \
    \"$(command -v pyebpf)\"; in a container: \
    --cap-add BPF,PERFMON,SYS_PTRACE,DAC_READ_SEARCH,CHECKPOINT_RESTORE";

/// The effective capabilities of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    /// `None` when they cannot be read.
    effective: Option<u64>,
}

impl Rights {
    pub(super) fn read(probe: &Probe<'_>) -> Self {
        let status = probe.read("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        Self {
            effective: line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()),
        }
    }

    fn has(self, capability: u32) -> bool {
        self.effective.is_some_and(|set| set >> capability & 1 == 1)
    }

    /// Whether pyebpf may inspect other users' processes.
    pub(super) fn sees_all_processes(self) -> bool {
        self.has(SYS_PTRACE)
    }

    /// Returns a check for each capability that matters.
    pub(super) fn checks(self) -> Vec<Check> {
        let mut checks: Vec<_> = NEEDS.iter().map(|need| self.check(need)).collect();
        checks.push(self.source_files());
        checks
    }

    fn check(self, need: &Need) -> Check {
        let Need {
            id, name, purpose, ..
        } = *need;
        let (instead, its_name) = need.instead;
        if self.has(need.capability) {
            Check::ok(id, format!("{name}: can {purpose}"))
        } else if self.has(instead) {
            Check::ok(id, format!("{its_name} includes {name}"))
        } else if self.effective.is_none() {
            let evidence = "/proc/self/status does not show the capabilities";
            Check::wrong(id, CheckResult::Unknown, evidence, "mount /proc")
        } else {
            let evidence = format!("without {name}, pyebpf cannot {purpose}");
            Check::wrong(id, need.without, evidence, GET_RIGHTS)
        }
    }

    /// Never a complaint: to act as any user is more than sampling needs.
    fn source_files(self) -> Check {
        const ID: &str = "source-files";
        if self.has(SETUID) && self.has(SETGID) {
            Check::ok(ID, "source lines are read as the user of each process")
        } else {
            Check::ok(
                ID,
                "without CAP_SETUID and CAP_SETGID, source lines of other users' \
                 processes are shown only if everybody may read the files",
            )
        }
    }
}

/// A capability, and what it is for.
struct Need {
    id: &'static str,
    name: &'static str,
    capability: u32,
    /// Another capability that includes it, and its name.
    instead: (u32, &'static str),
    without: CheckResult,
    purpose: &'static str,
}

const NEEDS: [Need; 5] = [
    Need {
        id: "capability-bpf",
        name: "CAP_BPF",
        capability: BPF,
        // `CAP_BPF` was split off from it in 5.8.
        instead: (SYS_ADMIN, "CAP_SYS_ADMIN"),
        without: CheckResult::Missing,
        purpose: "load BPF programs",
    },
    Need {
        id: "capability-perfmon",
        name: "CAP_PERFMON",
        capability: PERFMON,
        instead: (SYS_ADMIN, "CAP_SYS_ADMIN"),
        without: CheckResult::Missing,
        purpose: "sample CPUs",
    },
    Need {
        id: "capability-sys-ptrace",
        name: "CAP_SYS_PTRACE",
        capability: SYS_PTRACE,
        instead: (SYS_PTRACE, ""),
        without: CheckResult::Limited,
        purpose: "read processes of other users",
    },
    Need {
        id: "capability-dac-read-search",
        name: "CAP_DAC_READ_SEARCH",
        capability: DAC_READ_SEARCH,
        instead: (DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
        without: CheckResult::Limited,
        purpose: "open interpreters in other users' private directories, \
            or see the system calls that their threads wait in",
    },
    Need {
        id: "capability-checkpoint-restore",
        name: "CAP_CHECKPOINT_RESTORE",
        capability: CHECKPOINT_RESTORE,
        // `CAP_CHECKPOINT_RESTORE` was split off from it in 5.9.
        instead: (SYS_ADMIN, "CAP_SYS_ADMIN"),
        without: CheckResult::Limited,
        purpose: "open an interpreter that was deleted or replaced while running",
    },
];

pub(super) fn user_namespace(probe: &Probe<'_>) -> Check {
    const ID: &str = "user-namespace";
    match probe.link("/proc/self/ns/user") {
        Some(link) if link == INITIAL_USER_NAMESPACE => Check::ok(ID, "the host's own"),
        Some(link) => Check::wrong(
            ID,
            CheckResult::Missing,
            format!("{link} is not the host's: capabilities in it do not allow BPF"),
            "run pyebpf on the host, or in a container without user namespaces (not rootless)",
        ),
        None => Check::wrong(
            ID,
            CheckResult::Unknown,
            "/proc/self/ns/user cannot be read",
            "mount /proc",
        ),
    }
}

pub(super) fn perf_events(probe: &Probe<'_>, rights: &Rights) -> Check {
    const ID: &str = "perf-events";
    const PATH: &str = "/proc/sys/kernel/perf_event_paranoid";
    let Some(level) = probe.number(PATH) else {
        return Check::wrong(
            ID,
            CheckResult::Missing,
            format!("{PATH} does not exist: the kernel has no perf events"),
            "use a kernel built with CONFIG_PERF_EVENTS=y, as the distributions' are",
        );
    };
    let evidence = format!("{PATH} is {level}");
    if rights.has(SYS_ADMIN) || level <= 0 {
        Check::ok(ID, format!("{evidence}: can sample whole CPUs"))
    } else if rights.effective.is_none() {
        Check::wrong(
            ID,
            CheckResult::Unknown,
            format!("{evidence}: sampling whole CPUs needs CAP_PERFMON"),
            "mount /proc",
        )
    } else if !rights.has(PERFMON) {
        Check::wrong(
            ID,
            CheckResult::Missing,
            format!("{evidence}: sampling whole CPUs needs CAP_PERFMON"),
            GET_RIGHTS,
        )
    } else if level > 2 {
        Check::wrong(
            ID,
            CheckResult::Limited,
            format!("{evidence}: some kernels with levels above 2 require CAP_SYS_ADMIN"),
            "if events are refused: sudo sysctl kernel.perf_event_paranoid=2, or use sudo",
        )
    } else {
        Check::ok(ID, format!("{evidence}, with CAP_PERFMON"))
    }
}

pub(super) fn unprivileged_bpf(probe: &Probe<'_>) -> Check {
    const ID: &str = "unprivileged-bpf";
    const PATH: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";
    let evidence = match probe.number(PATH) {
        Some(0) => format!("{PATH} is 0, but sampling still needs capabilities"),
        Some(level) => format!(
            "{PATH} is {level}, as recommended; capabilities decide, \
             and CAP_BPF is kept while recording if the kernel requires it (before 6.0)"
        ),
        None => format!("{PATH} does not exist; capabilities decide"),
    };
    Check::ok(ID, evidence)
}

pub(super) fn ptrace_scope(probe: &Probe<'_>, rights: &Rights) -> Check {
    const ID: &str = "ptrace-scope";
    const PATH: &str = "/proc/sys/kernel/yama/ptrace_scope";
    match probe.number(PATH) {
        Some(level) if level >= 3 => Check::wrong(
            ID,
            CheckResult::Limited,
            format!("{PATH} is {level}: nobody can read the memory of other processes"),
            "names that the eBPF programs could not copy will be missing; \
             only a reboot lowers this level: boot with kernel.yama.ptrace_scope=1",
        ),
        Some(level) if level >= 1 && !rights.sees_all_processes() => Check::wrong(
            ID,
            CheckResult::Limited,
            format!(
                "{PATH} is {level}: without CAP_SYS_PTRACE, not even this user's processes can be read"
            ),
            GET_RIGHTS,
        ),
        Some(level) => Check::ok(ID, format!("{PATH} is {level}; CAP_SYS_PTRACE decides")),
        None => Check::ok(ID, format!("{PATH} does not exist; CAP_SYS_PTRACE decides")),
    }
}

pub(super) fn locked_memory(
    probe: &Probe<'_>,
    release: Option<&Release>,
    rights: &Rights,
) -> Check {
    const ID: &str = "locked-memory";
    if release.is_some_and(|release| !release.charges_locked_memory()) {
        return Check::ok(ID, "does not limit BPF memory since Linux 5.11");
    }
    if rights.has(SYS_RESOURCE) {
        return Check::ok(ID, "the limit can be raised (CAP_SYS_RESOURCE)");
    }
    let limits = probe.read("/proc/self/limits").unwrap_or_default();
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))
        .and_then(|rest| rest.split_whitespace().next());
    match soft {
        Some("unlimited") => Check::ok(ID, "unlimited"),
        Some(bytes)
            if bytes
                .parse()
                .is_ok_and(|bytes: u64| bytes >= ENOUGH_LOCKED_MEMORY) =>
        {
            Check::ok(ID, format!("the limit is {bytes} bytes"))
        }
        found => Check::wrong(
            ID,
            CheckResult::Limited,
            format!(
                "the limit is {} bytes: maps may not fit",
                found.unwrap_or("an unknown number of")
            ),
            "raise it with ulimit -l unlimited, or use sudo",
        ),
    }
}
