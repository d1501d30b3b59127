// SPDX-License-Identifier: MIT OR Apache-2.0

//! What ends a recording, and what does not.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::machine::{Machine, machine};
use crate::support::marks::Marks;
use crate::support::recording::{Recording, TIMELINE};
use crate::support::target::Target;
use crate::support::timeline::Timeline;

/// Starts a busy process and a recording of it, and waits until the recording samples.
fn start(machine: &Machine) -> (Target, Recording) {
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
    recording.wait_until_it_samples();
    (target, recording)
}

/// Asks for snapshots until one has samples.
fn snapshot(recording: &mut Recording) -> Timeline {
    loop {
        recording.signal(Signal::SIGUSR1);
        recording.wait_for_line("snapshot in");
        let text = fs::read_to_string(recording.directory.path().join(TIMELINE));
        // A snapshot from before the first sample has no row.
        match Timeline::parse(&text.expect("it was said to be there")) {
            Ok(timeline) => return timeline,
            Err(error) => assert!(error == "there is no thread", "{error}"),
        }
    }
}

fn check(timeline: &Timeline) {
    let marks = Marks::read("known_chain.py");
    for row in timeline.stacks() {
        marks.check(row, |_| false).expect("a known chain");
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_signal_to_stop_writes_the_file() {
    let machine = machine();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (_target, mut recording) = start(machine);
        snapshot(&mut recording);
        recording.signal(signal);
        let finished = recording.finish();
        check(&finished.timeline().expect("it was asked to stop"));
        assert_eq!(finished.directory.names(), [TIMELINE], "{signal}");
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_snapshot_is_written_while_the_recording_goes_on() {
    let machine = machine();
    let (_target, mut recording) = start(machine);
    let first = snapshot(&mut recording);
    check(&first);
    let second = snapshot(&mut recording);
    recording.signal(Signal::SIGINT);
    let last = recording.finish().timeline().expect("it was asked to stop");
    check(&last);
    let ends = |it: &Timeline| it.threads[0].rows.last().map_or(0.0, |row| row.time);
    assert!(ends(&first) <= ends(&second) && ends(&second) <= ends(&last));
    let starts = |it: &Timeline| it.threads[0].rows[0].time;
    assert_eq!(starts(&first), starts(&last));
}

#[test]
#[ignore = "needs root and BPF"]
fn what_was_recorded_survives_a_kill() {
    let machine = machine();
    let (_target, mut recording) = start(machine);
    let before = snapshot(&mut recording);
    recording.signal(Signal::SIGKILL);
    let finished = recording.finish();
    let container = finished.path(&format!("{TIMELINE}.pyebpf"));
    assert!(container.is_file(), "{:?}", finished.directory.names());
    let status = Command::new(&machine.pyebpf)
        .arg("convert")
        // The caller of sudo may not write to the directories of the tests.
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .arg(container)
        .arg("-o")
        .arg(finished.path("recovered.json"))
        .status()
        .expect("it ran before");
    assert!(status.success());
    let text = fs::read_to_string(finished.path("recovered.json")).expect("it was written");
    // The counts are lost; every row up to the snapshot is there.
    let recovered = Timeline::parse(&text).expect("a whole file");
    check(&recovered);
    let rows = before.threads[0].rows.len();
    assert!(recovered.threads[0].rows.len() + 1 >= rows, "{rows}");
}

#[test]
#[ignore = "needs root and BPF"]
fn a_duration_ends_it() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let arguments = ["--hz", "100", "--pid", &pid, "--duration", "700ms"];
    let started = Instant::now();
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    // We may read late that it samples.
    let began = Instant::now();
    let finished = recording.finish();
    let (whole, took) = (started.elapsed(), began.elapsed());
    finished.timeline().expect("a busy process");
    assert!(whole > Duration::from_millis(700), "{whole:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}
