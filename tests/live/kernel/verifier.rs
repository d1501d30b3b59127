// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's verifier accepts the eBPF programs with room to spare, and removes what
//! they would log if nobody asks for it.

use std::fs;

use sampler_user::capture::bpf::kernel::{Kernel, KernelOptions};
use sampler_user::capture::bpf::kernel_log::KernelLogLevel;
use sampler_user::capture::bpf::walk_backend::WalkBackendChoice;

use crate::support::machine::{machine, say};

/// The maximum number of instructions that the verifier may process in one program; its
/// own limit is a million. Kernels differ, and a program near the limit fails on some: 7.2
/// processes six times as many for `off_cpu` as 6.18.
const BUDGET: u32 = 120_000;
/// The same for programs that log, which few people ask for.
const BUDGET_WITH_LOG: u32 = 150_000;
/// The first kernel that tells of the returns of threads to their CPUs.
const RETURNS: (u32, u32) = (6, 15);

#[test]
#[ignore = "needs root and BPF"]
fn the_verifier_has_little_to_do() {
    verifies(WalkBackendChoice::Best, "on_cpu");
}

#[test]
#[ignore = "needs root and BPF"]
fn the_verifier_has_little_to_do_without_bpf_loop() {
    verifies(
        WalkBackendChoice::GlobalFunctions("a test".to_owned()),
        "on_cpu_by_calls",
    );
}

fn verifies(walk_backend: WalkBackendChoice, sampler: &str) {
    // Without BPF, this says why nothing can be loaded.
    machine();
    // Once for a host, and once for a pid namespace of its own.
    for pid_namespace in [None, Some(1)] {
        let of = |log| counts(walk_backend.clone(), sampler, pid_namespace, log);
        let without = of(KernelLogLevel::Off);
        let with = of(KernelLogLevel::Everything);
        for program in [sampler, "off_cpu", "on_return"] {
            let (without, with) = (count_of(&without, program), count_of(&with, program));
            assert!(
                without + LOGGING <= with,
                "{program}: {without} without a log, {with} with one"
            );
        }
    }
}

/// The least number of instructions that logging one event takes.
const LOGGING: u32 = 100;

/// Returns how many instructions of each program the verifier looked at.
fn counts(
    walk_backend: WalkBackendChoice,
    sampler: &str,
    pid_namespace: Option<u32>,
    log: KernelLogLevel,
) -> Vec<(String, u32)> {
    let mut kernel = Kernel::load(KernelOptions {
        follow_children: true,
        report_all_execs: true,
        skip_non_python: true,
        ring_bytes: 1 << 16,
        scans: true,
        returns: true,
        signals: true,
        walk_backend,
        log,
        pid_namespace,
    })
    .expect("it loaded for the recordings");
    // It owns a map that both programs use.
    let _scans = kernel
        .prepare_scans()
        .expect("this kernel has the iterator");
    let refused = kernel.follow_returns().expect("the program is accepted");
    let tells_returns = kernel_version() >= RETURNS;
    assert_eq!(refused.is_none(), tells_returns, "{refused:?}");
    let counts = kernel.verified_instructions();
    say(format!(
        "  verified instructions, namespace {pid_namespace:?}, log {log:?}: {counts:?}"
    ));
    let of_returns = tells_returns.then_some("on_return");
    let always = [sampler, "off_cpu", "signal_sent", "victim_marked"];
    for program in always.into_iter().chain(of_returns) {
        assert!(count_of(&counts, program) > 50, "{counts:?}");
    }
    let budget = match log {
        KernelLogLevel::Off => BUDGET,
        KernelLogLevel::Stops | KernelLogLevel::Everything => BUDGET_WITH_LOG,
    };
    assert!(
        counts.iter().all(|(_, count)| *count <= budget),
        "{counts:?}"
    );
    counts
}

fn kernel_version() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("it is there");
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    next()
        .zip(next())
        .expect("a kernel's release begins with two numbers")
}

fn count_of(counts: &[(String, u32)], program: &str) -> u32 {
    let found = counts.iter().find(|it| it.0 == program);
    found.map_or(0, |it| it.1)
}
