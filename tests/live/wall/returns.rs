// SPDX-License-Identifier: MIT OR Apache-2.0

//! Wall-clock mode where threads sample themselves when they return to a CPU: what waits
//! costs nothing, and is seen all the same.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::machine::{machine, say, slowness};
use crate::support::recording::Recording;
use crate::support::states::{seconds, share};
use crate::support::target::Target;
use crate::support::timeline::Timeline;
use crate::support::wall::{named, record_wall};

#[test]
#[ignore = "needs root and BPF"]
fn threads_that_sleep_cost_nothing_at_any_rate() {
    const COUNT: u64 = 300;
    let machine = machine();
    let count = COUNT.to_string();
    let target = Target::start(machine.interpreter(), "many_threads.py", &[&count]);
    for hz in [10, 100, 1000] {
        let timeline = record_wall(machine, target.pid(), hz, Duration::from_millis(2500));
        let timeline = timeline.expect("it is sampled");
        let of = |name| timeline.count(name);
        say(format!(
            "  {COUNT} sleepers at {hz} Hz: {} records, {} scans, {} returns, {} us of CPU",
            of("taken"),
            of("passes"),
            of("returns"),
            of("own_cpu_us"),
        ));
        assert_eq!(timeline.threads.len() as u64, COUNT + 1, "{hz} Hz");
        // Each has one record of its own, and is looked at a few times, at any rate.
        assert!(of("taken") <= COUNT + 20, "{hz} Hz: {}", of("taken"));
        let most = 2 * 3 * u64::from(slowness()) + 4;
        assert!(of("passes") <= most, "{hz} Hz: {} scans", of("passes"));
        for thread in &timeline.threads {
            let seconds = seconds(thread);
            let all: f64 = seconds.values().sum();
            assert!(all > 2.0, "{hz} Hz: {} has {all} s", thread.name);
            if thread.name != "MainThread" {
                assert!(share(&seconds, "sleeping") > 0.95, "{hz} Hz: {seconds:?}");
            }
        }
    }
}

/// Returns the row in which the thread sleeps, if it does.
fn sleep(timeline: &Timeline) -> Option<f64> {
    let thread = named(timeline, "late").ok()?[0];
    let last = thread.stacks().last()?;
    let innermost = last.frames.last()?;
    (innermost.short_name() == "sleep").then_some(last.time)
}

#[test]
#[ignore = "needs root and BPF"]
fn a_sleep_is_shown_soon_and_from_its_beginning_on() {
    let machine = machine();
    let mut target = Target::start::<&str>(machine.interpreter(), "late_sleeper.py", &[]);
    let pid = target.pid().to_string();
    let arguments = ["--mode", "wall", "--hz", "10", "--pid", &pid];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    target.say("");
    let since = target.next_line()["since"].as_f64().expect("a time");
    let asked = Instant::now();
    recording.wait_until_it_shows(|timeline| sleep(timeline).is_some());
    let shown_after = asked.elapsed();
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("there is a timeline");
    let begins = sleep(&timeline).expect("it was shown before");
    let off = begins - since;
    say(format!("  shown after {shown_after:?}, {off:.3} s off"));
    assert!(off.abs() < 0.1 * f64::from(slowness()), "{off} s off");
    // An edge within two periods, a scan within a second, and time for a busy machine.
    let soon = Duration::from_millis(2500) * slowness();
    assert!(shown_after < soon, "shown after {shown_after:?}");
}
