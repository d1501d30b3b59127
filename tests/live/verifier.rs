// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's verifier accepts the eBPF programs with room to spare.

use sampler_user::capture::bpf::kernel::{Kernel, KernelOptions};
use sampler_user::capture::bpf::stepping::SteppingChoice;

use crate::support::machine::{machine, say};

/// The maximum number of instructions that the verifier may process in one program; its
/// own limit is a million. Kernels differ, and a program near the limit fails on some.
const BUDGET: u32 = 50_000;

#[test]
#[ignore = "needs root and BPF"]
fn the_verifier_has_little_to_do() {
    verifies(SteppingChoice::Best, "on_cpu");
}

#[test]
#[ignore = "needs root and BPF"]
fn the_verifier_has_little_to_do_without_bpf_loop() {
    verifies(
        SteppingChoice::Calls("a test".to_owned()),
        "on_cpu_by_calls",
    );
}

fn verifies(stepping: SteppingChoice, sampler: &str) {
    // Without BPF, this says why nothing can be loaded.
    machine();
    // Once for a host, and once for a pid namespace of its own.
    for pid_namespace in [None, Some(1)] {
        assert_little_to_do(stepping.clone(), sampler, pid_namespace);
    }
}

fn assert_little_to_do(stepping: SteppingChoice, sampler: &str, pid_namespace: Option<u32>) {
    let mut kernel = Kernel::load(KernelOptions {
        follow_children: true,
        report_all_execs: true,
        leave_plain_programs: true,
        ring_bytes: 1 << 16,
        passes: true,
        stepping,
        pid_namespace,
    })
    .expect("it loaded for the recordings");
    kernel
        .prepare_passes()
        .expect("this kernel has the iterator");
    let counts = kernel.verified_instructions();
    say(format!(
        "  verified instructions, namespace {pid_namespace:?}: {counts:?}"
    ));
    let of = |name: &str| counts.iter().find(|it| it.0 == name).map(|it| it.1);
    for program in [sampler, "off_cpu"] {
        assert!(of(program).is_some_and(|count| count > 100), "{counts:?}");
    }
    assert!(
        counts.iter().all(|(_, count)| *count <= BUDGET),
        "{counts:?}"
    );
}
