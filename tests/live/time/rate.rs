// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sampling rate is the one that was asked for.

use std::time::Duration;

use crate::support::machine::{machine, name, say};
use crate::support::recording::{Recording, cpu_time};
use crate::support::target::Target;

#[test]
#[ignore = "needs root and BPF"]
fn ten_hertz_for_ten_seconds_is_a_hundred_samples() {
    let machine = machine();
    // How often the kernel interrupts does not depend on the interpreter.
    let interpreter = machine.interpreter();
    let target = Target::start::<&str>(interpreter, "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "10", "--pid", &pid, "-d", "10"]);
    recording.wait_until_it_samples();
    let before = cpu_time(target.pid());
    let timeline = recording.finish().timeline().expect("a busy process");
    // All of the 10 s, unless the machine is busy with something else.
    let used = (cpu_time(target.pid()) - before).min(Duration::from_secs(10));
    let shown = timeline.count("shown");
    let name = name(interpreter);
    say(format!(
        "  10 s at 10 Hz, {name}: {shown} samples in {used:.2?} of CPU time"
    ));
    let expected = used.as_secs_f64() * 10.0;
    // Whether a tick meets a process that runs part of the time is left to chance: four
    // standard deviations.
    let by_chance = 4.0 * (expected * (1.0 - used.as_secs_f64() / 10.0)).sqrt();
    assert!(
        (shown as f64 - expected).abs() <= 5.0 + by_chance,
        "{:?}",
        timeline.counts
    );
}
