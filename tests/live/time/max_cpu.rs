// SPDX-License-Identifier: MIT OR Apache-2.0

//! The limit on pyebpf's own CPU time: above it pyebpf lowers the rate and says so, and
//! the times in the trace stay right.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::balance::balance;
use crate::support::machine::{machine, say};
use crate::support::recording::{Recording, cpu_time, until_busy};
use crate::support::target::Target;

#[test]
#[ignore = "needs root and BPF"]
fn the_rate_is_lowered_to_what_fits() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid();
    // Ten thousand interrupts a second alone exceed this limit.
    let list = pid.to_string();
    let arguments = ["--hz", "10000", "--max-cpu", "0.5%", "--pid", &list];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    recording.wait_for_line("and may take 0.5 %: from now on");
    let before = cpu_time(pid);
    until_busy(pid, Duration::from_secs(3));
    recording.signal(Signal::SIGINT);
    let used = (cpu_time(pid) - before).as_secs_f64();
    let finished = recording.finish();
    let timeline = finished.timeline().expect("there is a timeline");
    balance(&timeline).expect("it balances");
    let &(since, hz) = timeline.rates.first().expect("it was lowered");
    assert!(hz <= 5000.0, "{:?}", timeline.rates);
    assert!(
        finished.errors.contains("the rate was lowered to"),
        "{}",
        finished.errors
    );
    assert_eq!(timeline.count("rate_changes"), timeline.rates.len() as u64);

    // The thread was busy all the time, and its rows say so at either rate: if the old
    // period still counted, there would be a gap after every sample.
    let thread = &timeline.threads[0];
    let first = thread.rows[0].time;
    let rows = thread.rows.iter().zip(&thread.rows[1..]);
    let late = rows.filter(|(row, _)| !row.frames.is_empty() && row.time - first > since);
    let shown: f64 = late.map(|(row, next)| next.time - row.time).sum();
    say(format!(
        "  --max-cpu 0.5%: {:?}; {shown:.2} s shown of {used:.2} s of CPU time since",
        timeline.rates
    ));
    assert!(shown > used * 0.6, "{shown} of {used}");
}

#[test]
#[ignore = "needs root and BPF"]
fn ten_hertz_are_within_the_limit() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let arguments = ["--hz", "10", "--max-cpu", "5%", "--pid", &pid];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    until_busy(target.pid(), Duration::from_secs(5));
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("there is a timeline");
    balance(&timeline).expect("it balances");
    assert_eq!(timeline.count("rate_changes"), 0);
    assert!(timeline.rates.is_empty());
    say(format!(
        "  10 Hz took {} us of CPU time for {} samples",
        timeline.count("own_cpu_us"),
        timeline.count("taken"),
    ));
}
