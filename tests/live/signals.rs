//! What ends a recording, and what does not.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::machine::{Machine, machine};
use crate::marks::Marks;
use crate::recording::{Recording, TIMELINE};
use crate::target::Target;
use crate::timeline::Timeline;

/// A busy process and its recording, which samples.
fn start(machine: &Machine) -> (Target, Recording) {
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
    recording.wait_until_it_samples();
    (target, recording)
}

/// Asks for a snapshot and waits for it: then there are samples, too.
fn snapshot(recording: &mut Recording) -> Timeline {
    loop {
        recording.signal(Signal::SIGUSR1);
        recording.wait_for_line("snapshot in");
        let text = fs::read_to_string(recording.directory.path().join(TIMELINE));
        // One that was taken before the first sample has no row.
        match Timeline::parse(&text.expect("it was said to be there")) {
            Ok(timeline) => return timeline,
            Err(error) => assert!(error == "there is no thread", "{error}"),
        }
    }
}

fn check(timeline: &Timeline) {
    let marks = Marks::of("known_chain.py");
    for row in timeline.stacks() {
        marks.check(row, |_| false).expect("a known chain");
    }
}

#[test]
fn a_signal_to_stop_writes_the_file() {
    let Some(machine) = machine() else { return };
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
fn a_snapshot_is_written_while_the_recording_goes_on() {
    let Some(machine) = machine() else { return };
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
fn what_was_recorded_survives_a_kill() {
    let Some(machine) = machine() else { return };
    let (_target, mut recording) = start(machine);
    let before = snapshot(&mut recording);
    recording.signal(Signal::SIGKILL);
    let finished = recording.finish();
    let container = finished.path(&format!("{TIMELINE}.pyebpf"));
    assert!(container.is_file(), "{:?}", finished.directory.names());
    let status = Command::new(&machine.pyebpf)
        .arg("convert")
        // Who called sudo may not write in the directories of the tests.
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .arg(container)
        .arg("-o")
        .arg(finished.path("recovered.json"))
        .status()
        .expect("it ran before");
    assert!(status.success());
    let text = fs::read_to_string(finished.path("recovered.json")).expect("it was written");
    // What was counted is lost; every row up to the snapshot is there.
    let recovered = Timeline::parse(&text).expect("a whole file");
    check(&recovered);
    let rows = before.threads[0].rows.len();
    assert!(recovered.threads[0].rows.len() + 1 >= rows, "{rows}");
}

#[test]
fn a_duration_ends_it() {
    let Some(machine) = machine() else { return };
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let arguments = ["--hz", "100", "--pid", &pid, "--duration", "700ms"];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    let began = Instant::now();
    let finished = recording.finish();
    let took = began.elapsed();
    finished.timeline().expect("a busy process");
    let range = Duration::from_millis(650)..Duration::from_secs(5);
    assert!(range.contains(&took), "{took:?}");
}
