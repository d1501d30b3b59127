// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks which processes can be seen, and whether the cost of sampling in the kernel is
//! measured.

use sampler_cpython::process::identity::namespace_pids;

use crate::commands::doctor::check::{Check, CheckResult};
use crate::commands::doctor::probe::Probe;
use crate::commands::doctor::rights::Rights;

/// The host's own pid namespace: `PROC_PID_INIT_INO` in `include/uapi/linux/nsfs.h`.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

pub(super) fn pid_namespace(probe: &Probe<'_>) -> Check {
    const ID: &str = "pid-namespace";
    let status = probe.read("/proc/self/status").unwrap_or_default();
    if namespace_pids(status.as_bytes()).len() > 1 {
        return Check::wrong(
            ID,
            CheckResult::Missing,
            "/proc shows the processes of another pid namespace than pyebpf's own",
            "mount the right one: mount -t proc proc /proc; or start the container with --pid=host",
        );
    }
    match probe.link("/proc/self/ns/pid") {
        Some(link) if link == INITIAL_PID_NAMESPACE => Check::ok(ID, "the host's own"),
        Some(link) => Check::wrong(
            ID,
            CheckResult::Limited,
            format!(
                "{link} is not the host's: only processes of this container are visible, \
                 by their PIDs inside the container"
            ),
            "to see the host's, run pyebpf there, or in a container started with --pid=host",
        ),
        None => Check::wrong(
            ID,
            CheckResult::Unknown,
            "/proc/self/ns/pid cannot be read",
            "mount /proc",
        ),
    }
}

pub(super) fn hidden_processes(probe: &Probe<'_>, rights: &Rights) -> Check {
    const ID: &str = "hidden-processes";
    let mounts = probe.read("/proc/self/mountinfo").unwrap_or_default();
    // The last mount of a directory is the one on top: proc_pid_mountinfo(5).
    let options = mounts.lines().rev().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let place = mount.split(' ').nth(4)?;
        (place == "/proc").then(|| kind.strip_prefix("proc ")?.rsplit(' ').next())?
    });
    let Some(options) = options else {
        return Check::wrong(
            ID,
            CheckResult::Unknown,
            "/proc/self/mountinfo does not list /proc",
            "mount /proc",
        );
    };
    let hidden = options
        .split(',')
        .find_map(|option| option.strip_prefix("hidepid="));
    match hidden {
        None | Some("0" | "off") => Check::ok(ID, "/proc shows every process"),
        Some(mode) if rights.sees_all_processes() => Check::ok(
            ID,
            format!("/proc has hidepid={mode}, but CAP_SYS_PTRACE overrides it"),
        ),
        Some(mode) => Check::wrong(
            ID,
            CheckResult::Limited,
            format!("/proc has hidepid={mode}: processes of other users are hidden"),
            "use sudo, or give pyebpf CAP_SYS_PTRACE",
        ),
    }
}

pub(super) fn run_time_statistics(probe: &Probe<'_>) -> Check {
    const ID: &str = "run-time-statistics";
    const PATH: &str = "/proc/sys/kernel/bpf_stats_enabled";
    let evidence = match probe.number(PATH) {
        Some(0) => format!("{PATH} is 0: the cost of sampling in the kernel is estimated"),
        Some(_) => format!("{PATH} is on: the cost of sampling in the kernel is measured"),
        None => format!("{PATH} does not exist: the cost of sampling in the kernel is estimated"),
    };
    Check::ok(ID, evidence)
}
