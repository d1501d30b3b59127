// SPDX-License-Identifier: MIT OR Apache-2.0

//! pyebpf in a time namespace, as in a container whose clocks were set: there the
//! kernel's clock differs from its own.

use std::process::Command;
use std::time::Duration;

use crate::support::known_chain::check_known_chain;
use crate::support::machine::{machine, say};
use crate::support::marks::Marks;
use crate::support::recording::{Recording, TIMELINE, pace};
use crate::support::scratch::Scratch;
use crate::support::target::Target;

const SCRIPT: &str = "known_chain.py";

#[test]
#[ignore = "needs root and BPF"]
fn samples_lie_within_a_recording_in_a_time_namespace() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), SCRIPT, &[]);
    let pid = target.pid().to_string();
    // Ahead of the kernel's clock and behind it; behind only as far as the machine is up.
    for ahead in ["86400", "-10"] {
        for (mode, scans) in [("cpu", ""), ("wall", ""), ("wall", "kernel")] {
            let directory = Scratch::new();
            let mut command = Command::new("unshare");
            command.args(["--time", "--monotonic", ahead, "--kill-child"]);
            command.args(["nice", "-n", "-19"]).arg(&machine.pyebpf);
            command.args(["--mode", mode, "--pid", &pid]);
            command.args(pace(500, Duration::from_millis(800)));
            command.env("PYEBPF_PASSES", scans);
            command.arg("-o").arg(directory.path().join(TIMELINE));
            let finished = Recording::spawn(command, directory).finish();
            assert!(finished.status.success(), "{}", finished.errors);
            let timeline = finished.timeline().expect("a timeline");
            assert_eq!(timeline.count_if_any("another_clock"), 0);
            // With timers set by the wrong clock, ticks come at another rate and scans
            // never come.
            let [counted, ticked] =
                ["kernel_cpu_us", "ticked_us"].map(|name| timeline.count_if_any(name) as f64 / 1e6);
            let chance = 4.0 * (counted / 500.0).sqrt() + 0.1 * counted;
            assert!(
                (ticked - counted).abs() < chance,
                "{ahead}, {mode}: ticks stand for {ticked} s of {counted} s"
            );
            if scans == "kernel" {
                let due = timeline.count("passes") + timeline.count("passes_skipped");
                assert!(due > 100, "{:?}", timeline.counts);
            }
            let said = check_known_chain(&timeline, target.pid(), &Marks::read(SCRIPT));
            let said = said.unwrap_or_else(|error| panic!("{ahead}, {mode}: {error}"));
            say(format!("  time namespace, {ahead} s, {mode}: {said}"));
        }
    }
}
