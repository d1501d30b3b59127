// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recorder that gets no CPU, as on a host without one to spare or in a cgroup that is
//! throttled.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::machine::{machine, say, slowness};
use crate::support::recording::Recording;
use crate::support::target::Target;

/// A clock is set a second time when its first tick has come. Who is held up there must not
/// find more ticks than there were periods.
#[test]
#[ignore = "needs root and BPF"]
fn ticks_stand_for_no_more_than_the_time_that_has_passed() {
    const RUNS: u32 = 4;
    const HZ: f64 = 10.0;
    let machine = machine();
    let (mut ticked, mut counted) = (0.0, 0.0);
    for _ in 0..RUNS {
        let arguments = ["threads", "0.1", "0", "1"];
        let mut target = Target::start(machine.interpreter(), "duty.py", &arguments);
        let pid = target.pid().to_string();
        let arguments = ["--hz", "10", "--pid", &pid];
        let mut recording = Recording::start(machine, &arguments);
        recording.wait_until_it_samples();
        recording.signal(Signal::SIGSTOP);
        target.say(&(2 * slowness()).to_string());
        let used = target.next_line();
        recording.signal(Signal::SIGCONT);
        recording.signal(Signal::SIGINT);
        let timeline = recording.finish().timeline().expect("a timeline");
        counted += used["cpu"].as_f64().expect("a number");
        ticked += Duration::from_micros(timeline.count("ticked_us")).as_secs_f64();
    }
    let said = format!("held up: ticks stand for {ticked:.2} s of {counted:.2} s");
    say(format!("  {said}"));
    // The two clocks of each run may be a tick off at either end.
    let chance = 4.0 * (f64::from(RUNS) * 2.0).sqrt() / HZ;
    assert!((ticked - counted).abs() < chance, "{said}");
}
