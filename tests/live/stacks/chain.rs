// SPDX-License-Identifier: MIT OR Apache-2.0

//! A known chain of calls: module, f, g, h.

use std::process::Command;
use std::time::Duration;

use tests::interpreters::Interpreter;

use crate::support::known_chain::{RIGHT, check_known_chain};
use crate::support::machine::machine;
use crate::support::marks::Marks;
use crate::support::recording::{Walk, record, record_walking};
use crate::support::scratch::Scratch;
use crate::support::target::Target;

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_known_chain_with_exact_lines() {
    shows_a_known_chain("known chain", Walk::OfThisKernel);
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_known_chain_without_bpf_loop() {
    shows_a_known_chain("known chain by calls", Walk::GlobalFunctions);
}

fn shows_a_known_chain(title: &str, walk: Walk) {
    let machine = machine();
    let marks = Marks::read("known_chain.py");
    machine.with_each_build(title, |interpreter| {
        let target = Target::start::<&str>(interpreter, "known_chain.py", &[]);
        let duration = Duration::from_millis(1000);
        let timeline = record_walking(machine, target.pid(), 500, duration, walk)?;
        let shown = timeline.count("shown");
        // No walk can read a page that the kernel is moving at that moment.
        let faults = timeline.counts.get("fault").copied().unwrap_or(0);
        let delivered = shown + timeline.count("refused") - faults.min(shown / 20);
        if (shown as f64) < RIGHT * delivered as f64 {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        let said = check_known_chain(&timeline, target.pid(), &marks)?;
        Ok(format!("{said}, {shown} of {delivered} samples"))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_virtual_environment() {
    let machine = machine();
    let marks = Marks::read("known_chain.py");
    let directory = Scratch::new();
    let place = directory.path().join("environment");
    let mut venv = Command::new(&machine.interpreter().path);
    venv.args(["-m", "venv", "--without-pip"]).arg(&place);
    assert!(venv.status().expect("it ran before").success());
    let interpreter = Interpreter {
        path: place.join("bin/python"),
        ..machine.interpreter().clone()
    };
    let target = Target::start::<&str>(&interpreter, "known_chain.py", &[]);
    let timeline = record(machine, target.pid(), 500, Duration::from_millis(600));
    check_known_chain(&timeline.expect("a timeline"), target.pid(), &marks).expect("the chain");
}
