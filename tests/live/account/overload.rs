// SPDX-License-Identifier: MIT OR Apache-2.0

//! More than can be recorded: pyebpf loses samples and counts them, its memory stays
//! limited, and the target goes on as before.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::balance::{balance, balance_of_shown};
use crate::support::machine::{machine, say};
use crate::support::recording::{Recording, until_busy};
use crate::support::target::Target;
use crate::support::work::{Work, peak_memory};

/// The maximum memory of a recording, in MiB, whatever happens. It needs some 30 anyway.
const MEMORY: u64 = 160;
/// The part of its work that a target must still do for its CPU time. An interrupt
/// costs 2 us, and 14 us in some virtual machines.
const WORK: f64 = 0.5;

/// Returns the rounds for each second of CPU time of a target that is not sampled.
fn rate_alone(target: &mut Target) -> f64 {
    until_busy(target.pid(), Duration::from_millis(500));
    let start = Work::so_far(target);
    until_busy(target.pid(), Duration::from_secs(1));
    Work::so_far(target).rate_since(start)
}

#[test]
#[ignore = "needs root and BPF"]
fn a_reader_that_is_stopped_loses_samples_and_nothing_else() {
    let machine = machine();
    let mut target = Target::start::<&str>(machine.interpreter(), "work_rate.py", &[]);
    let pid = target.pid();
    let alone = rate_alone(&mut target);
    let arguments = ["--hz", "1000", "--buffer", "256K", "-p", &pid.to_string()];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    until_busy(pid, Duration::from_millis(500));
    recording.signal(Signal::SIGSTOP);
    let stopped = Work::so_far(&mut target);
    until_busy(pid, Duration::from_secs(3));
    let during = Work::so_far(&mut target);
    recording.signal(Signal::SIGCONT);
    until_busy(pid, Duration::from_secs(1));
    let memory = peak_memory(recording.pid());
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("there is a timeline");
    balance(&timeline).expect("it balances");
    let kept = during.rate_since(stopped) / alone;
    say(format!(
        "  stopped for 3 s: {} of {} lost, {memory} MiB, work {kept:.3}",
        timeline.count("lost"),
        timeline.count("taken"),
    ));
    assert!(timeline.count("lost") > 1000, "{:?}", timeline.counts);
    assert!(
        timeline.count("behind_us") > 1_000_000,
        "{:?}",
        timeline.counts
    );
    assert!(kept > WORK && memory < MEMORY, "{kept} {memory}");
    // Samples from before the stop, while there was room, and from after it: the times
    // of a busy thread, with one long gap.
    let worker = timeline.threads.iter().find(|it| it.name == "worker");
    let rows = &worker.expect("it has a name").rows;
    let (mut shown, mut longest, mut resumed) = (0.0, 0.0, 0.0);
    for (row, next) in rows.iter().zip(&rows[1..]) {
        let length = next.time - row.time;
        if !row.frames.is_empty() {
            shown += length;
        } else if length > longest {
            (longest, resumed) = (length, next.time);
        }
    }
    let (first, last) = (rows[0].time, rows[rows.len() - 1].time);
    assert!(
        longest > 1.0 && resumed - first > 1.5,
        "{longest} {resumed}"
    );
    assert!(last - resumed > 0.5, "{last} {resumed}");
    assert!(
        shown > 0.8 && shown <= last - first - longest + 1e-6,
        "{shown}"
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn the_end_of_a_target_is_noticed_although_its_news_were_lost() {
    let machine = machine();
    let interpreter = machine.interpreter();
    let busy = Target::start::<&str>(interpreter, "known_chain.py", &[]);
    let mut targets = vec![busy];
    // The events of so many processes do not fit into the room that is left after the
    // last sample.
    targets.extend((0..8).map(|_| Target::start(interpreter, "many_threads.py", &["1"])));
    let pids: Vec<_> = targets.iter().map(|it| it.pid().to_string()).collect();
    let list = pids.join(",");
    let arguments = ["--hz", "1000", "--buffer", "64K", "-p", &list];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    until_busy(targets[0].pid(), Duration::from_millis(200));
    recording.signal(Signal::SIGSTOP);
    until_busy(targets[0].pid(), Duration::from_secs(1));
    for target in &mut targets {
        target.kill();
    }
    recording.signal(Signal::SIGCONT);
    // The recording ends by itself, or this test fails after a minute.
    let timeline = recording.finish().timeline().expect("there is a timeline");
    // A tick may hit one of the others when it starts or dies.
    balance_of_shown(&timeline).expect("it balances");
    assert!(
        timeline.count("lost_lifecycle") > 0,
        "{:?}",
        timeline.counts
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn ten_thousand_hertz_harm_nobody() {
    let machine = machine();
    let mut target = Target::start::<&str>(machine.interpreter(), "work_rate.py", &[]);
    let pid = target.pid();
    let alone = rate_alone(&mut target);
    let arguments = ["--hz", "10000", "-p", &pid.to_string()];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    let began = Work::so_far(&mut target);
    until_busy(pid, Duration::from_secs(3));
    let during = Work::so_far(&mut target);
    let memory = peak_memory(recording.pid());
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("there is a timeline");
    balance(&timeline).expect("it balances");
    let kept = during.rate_since(began) / alone;
    say(format!(
        "  10,000 Hz: {} taken, {} lost, {memory} MiB, work {kept:.3}",
        timeline.count("taken"),
        timeline.count("lost"),
    ));
    assert!(timeline.count("taken") > 10_000, "{:?}", timeline.counts);
    assert!(kept > WORK && memory < MEMORY, "{kept} {memory}");
}

#[test]
#[ignore = "needs root and BPF"]
fn five_thousand_threads_are_recorded_as_far_as_it_goes() {
    let machine = machine();
    const COUNT: usize = 5000;
    let count = COUNT.to_string();
    let target = Target::start(machine.interpreter(), "restless_threads.py", &[&count]);
    let pid = target.pid().to_string();
    // With little CPU time for each, ticks hit few of them while they run.
    for (mode, least) in [("wall", COUNT), ("cpu", 1)] {
        let arguments = ["--mode", mode, "--hz", "100", "--max-cpu", "5%", "-p", &pid];
        let mut recording = Recording::start(machine, &arguments);
        recording.wait_until_it_samples();
        until_busy(target.pid(), Duration::from_secs(2));
        let memory = peak_memory(recording.pid());
        recording.signal(Signal::SIGINT);
        let timeline = recording.finish().timeline().expect("there is a timeline");
        balance(&timeline).expect("it balances");
        say(format!(
            "  {COUNT} threads, {mode}: {} taken, {} lost, {memory} MiB, rates {:?}, {} threads",
            timeline.count("taken"),
            timeline.count("lost"),
            timeline.rates,
            timeline.threads.len(),
        ));
        assert!(memory < MEMORY, "{memory} MiB");
        assert!(timeline.threads.len() >= least, "{:?}", timeline.counts);
    }
}
