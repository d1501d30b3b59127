// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks of a made-up system in which one thing at a time is wrong.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::platform::tempdir::tempdir;

const ALL_CAPABILITIES: &str = "000001ffffffffff";

/// A directory that looks like the root of a system where all is well.
struct System {
    root: PathBuf,
}

impl System {
    fn healthy() -> Self {
        let system = Self {
            root: tempdir("doctor"),
        };
        system.write("proc/sys/kernel/osrelease", "6.12.7-amd64\n");
        system.write("sys/kernel/btf/vmlinux", "types");
        system.write(
            "sys/kernel/security/lockdown",
            "[none] integrity confidentiality\n",
        );
        system.capabilities(ALL_CAPABILITIES);
        system.write("proc/sys/kernel/perf_event_paranoid", "2\n");
        system.write("proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
        system.write("proc/sys/kernel/yama/ptrace_scope", "1\n");
        system.write("proc/sys/kernel/bpf_stats_enabled", "0\n");
        system.write(
            "proc/self/mountinfo",
            "22 1 0:5 / /proc rw shared:5 - proc proc rw\n",
        );
        system.namespace("user", 4_026_531_837);
        system.namespace("pid", 4_026_531_836);
        system
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("has one")).expect("is made");
        fs::write(path, content).expect("is written");
    }

    fn capabilities(&self, hex: &str) {
        self.write(
            "proc/self/status",
            &format!("Name:\tpyebpf\nCapEff:\t{hex}\n"),
        );
    }

    fn namespace(&self, kind: &str, number: u32) {
        let link = self.root.join("proc/self/ns").join(kind);
        fs::create_dir_all(link.parent().expect("has one")).expect("is made");
        fs::remove_file(&link).ok();
        symlink(format!("{kind}:[{number}]"), link).expect("is made");
    }

    fn diagnosis(&self) -> Diagnosis {
        Diagnosis::examine(&Probe::new(&self.root, "x86_64"))
    }

    /// Every check that is not ok.
    fn complaints(&self) -> Vec<(&'static str, CheckResult)> {
        let diagnosis = self.diagnosis();
        let wrong = diagnosis
            .checks()
            .iter()
            .filter(|check| check.result != CheckResult::Ok);
        let wrong: Vec<_> = wrong.collect();
        assert!(
            wrong.iter().all(|check| check.remedy.is_some()),
            "{wrong:?}"
        );
        wrong.iter().map(|check| (check.id, check.result)).collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).ok();
    }
}

use CheckResult::{Limited, Missing, Unknown};

#[test]
fn a_healthy_system_has_no_complaints() {
    let system = System::healthy();
    assert_eq!(system.complaints(), []);
    let diagnosis = system.diagnosis();
    assert!(
        diagnosis
            .to_string()
            .ends_with("Everything that recording needs is here.\n")
    );
}

#[test]
fn each_thing_that_is_wrong_is_named() {
    type Change = fn(&System);
    let cases: [(Change, &[(&str, CheckResult)]); 15] = [
        (
            |system| system.write("proc/sys/kernel/osrelease", "4.19.0-27-amd64"),
            &[("kernel-version", Missing)],
        ),
        (
            |system| system.write("proc/sys/kernel/osrelease", "5.15.0"),
            &[],
        ),
        (
            |system| system.write("proc/sys/kernel/osrelease", "strange"),
            &[("kernel-version", Unknown)],
        ),
        (
            |system| system.write("sys/kernel/btf/vmlinux", ""),
            &[("kernel-types", Missing)],
        ),
        (
            |system| {
                system.write(
                    "sys/kernel/security/lockdown",
                    "none integrity [confidentiality]",
                );
            },
            &[("lockdown", Missing)],
        ),
        (
            |system| system.capabilities("0"),
            &[
                ("capability-bpf", Missing),
                ("capability-perfmon", Missing),
                ("capability-sys-ptrace", Limited),
                ("capability-dac-read-search", Limited),
                ("capability-checkpoint-restore", Limited),
                ("perf-events", Missing),
                ("ptrace-scope", Limited),
            ],
        ),
        // CAP_SYS_ADMIN and nothing else.
        (
            |system| system.capabilities("200000"),
            &[
                ("capability-sys-ptrace", Limited),
                ("capability-dac-read-search", Limited),
                ("ptrace-scope", Limited),
            ],
        ),
        (
            |system| system.capabilities("no number"),
            &[
                ("capability-bpf", Unknown),
                ("capability-perfmon", Unknown),
                ("capability-sys-ptrace", Unknown),
                ("capability-dac-read-search", Unknown),
                ("capability-checkpoint-restore", Unknown),
                ("perf-events", Unknown),
                ("ptrace-scope", Limited),
            ],
        ),
        (
            // The five capabilities, on a kernel with levels above 2.
            |system| {
                system.capabilities("1c000080004");
                system.write("proc/sys/kernel/perf_event_paranoid", "3");
            },
            &[("perf-events", Limited)],
        ),
        (
            |system| system.namespace("user", 4_026_532_000),
            &[("user-namespace", Missing)],
        ),
        (
            |system| system.namespace("pid", 4_026_532_000),
            &[("pid-namespace", Limited)],
        ),
        (
            // /proc is that of another pid namespace.
            |system| {
                let status = "NSpid:\t812\t7\nCapEff:\tffffffffffffffff\n";
                system.write("proc/self/status", status);
            },
            &[("pid-namespace", Missing)],
        ),
        (
            |system| system.write("proc/sys/kernel/yama/ptrace_scope", "3"),
            &[("ptrace-scope", Limited)],
        ),
        (
            // All but CAP_SYS_PTRACE.
            |system| {
                system.capabilities("1c000000004");
                let line = "22 1 0:5 / /proc rw - proc proc rw,gid=4,hidepid=invisible\n";
                system.write("proc/self/mountinfo", line);
            },
            &[
                ("capability-sys-ptrace", Limited),
                ("ptrace-scope", Limited),
                ("hidden-processes", Limited),
            ],
        ),
        (
            |system| {
                system.write("proc/sys/kernel/osrelease", "5.10.0");
                system.capabilities("1c000080004");
                let line = "Max locked memory         65536                65536      bytes\n";
                system.write("proc/self/limits", line);
            },
            &[("locked-memory", Limited)],
        ),
    ];
    for (change, expected) in cases {
        let system = System::healthy();
        change(&system);
        assert_eq!(system.complaints(), expected);
    }
}

#[test]
fn another_processor_is_refused() {
    let system = System::healthy();
    let diagnosis = Diagnosis::examine(&Probe::new(&system.root, "aarch64"));
    assert_eq!(diagnosis.verdict(), Missing);
}

#[test]
fn an_empty_root_is_examined_all_the_same() {
    let root = tempdir("nothing");
    let diagnosis = Diagnosis::examine(&Probe::new(&root, "x86_64"));
    assert_eq!(diagnosis.verdict(), Missing);
    fs::remove_dir(root).expect("is removed");
}

#[test]
fn the_load_result_is_the_proof() {
    let diagnosis = System::healthy().diagnosis();
    assert_eq!(
        diagnosis.clone().with_load_result(Ok(())).verdict(),
        CheckResult::Ok
    );
    let failed = diagnosis.with_load_result(Err("verifier: \x1b[31mno".to_owned()));
    assert_eq!(failed.verdict(), Missing);
    assert!(failed.to_string().contains("verifier: \\u{1b}[31mno"));
}

#[test]
fn both_ways_to_walk_are_good_and_named() {
    let diagnosis = System::healthy().diagnosis();
    for (without_loop, words) in [
        (None, "with bpf_loop"),
        (Some("it is old"), "without bpf_loop: it is old"),
    ] {
        let diagnosis = diagnosis.clone().with_walk_backend(without_loop);
        assert_eq!(diagnosis.verdict(), CheckResult::Ok);
        let text = diagnosis.to_string();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_kernel_without_the_iterator_is_a_limit() {
    let diagnosis = System::healthy().diagnosis();
    for (reason, words) in [
        (None, "when they return to a CPU"),
        (Some("it is old"), "at each sample: it is old"),
    ] {
        let with = diagnosis
            .clone()
            .with_scan_result(Ok(reason.map(str::to_owned)));
        assert_eq!(with.verdict(), CheckResult::Ok);
        assert!(with.to_string().contains(words), "{with}");
    }
    let without = diagnosis.with_scan_result(Err("no such function".to_owned()));
    assert_eq!(without.verdict(), CheckResult::Limited);
    let text = without.to_string();
    assert!(text.contains("from user space: no such function"), "{text}");
}

#[test]
fn a_kernel_without_filters_is_a_limit() {
    let diagnosis = System::healthy().diagnosis();
    let with = diagnosis.clone().with_sandbox_result(Ok(()));
    assert_eq!(with.verdict(), CheckResult::Ok);
    let without = diagnosis.with_sandbox_result(Err("not allowed".to_owned()));
    assert_eq!(without.verdict(), CheckResult::Limited);
    assert!(without.to_string().contains("--no-sandbox"));
}

#[test]
fn json_has_the_documented_fields() {
    let system = System::healthy();
    system.write("proc/sys/kernel/osrelease", "strange");
    let json: serde_json::Value =
        serde_json::from_str(&system.diagnosis().to_json()).expect("is JSON");
    assert_eq!(json["schema"], 1);
    assert_eq!(json["verdict"], "unknown");
    let check = &json["checks"][1];
    assert_eq!(
        (&check["id"], &check["result"]),
        (&"kernel-version".into(), &"unknown".into())
    );
    assert!(check["evidence"].is_string() && check["remedy"].is_string());
    assert!(json["checks"][0]["remedy"].is_null());
}

#[test]
fn this_very_system_can_be_examined() {
    let diagnosis = Diagnosis::examine(&Probe::of_this_system());
    let known = |id| {
        diagnosis
            .checks()
            .iter()
            .any(|one| one.id == id && one.result != Unknown)
    };
    assert!(known("kernel-version") && known("capability-bpf") && known("pid-namespace"));
    println!("{diagnosis}");
}
