// SPDX-License-Identifier: MIT OR Apache-2.0

//! Targets that end, are killed or become another program during a recording.

use std::time::Duration;

use crate::support::machine::machine;
use crate::support::marks::Marks;
use crate::support::recording::Recording;
use crate::support::target::{Target, scripts};
use crate::support::timeline::Frame;

#[test]
#[ignore = "needs root and BPF"]
fn a_killed_target_ends_the_recording() {
    let machine = machine();
    let marks = Marks::read("known_chain.py");
    machine.with_each("killed target", |interpreter| {
        let mut target = Target::start::<&str>(interpreter, "known_chain.py", &[]);
        let pid = target.pid().to_string();
        let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
        recording.wait_until_it_samples();
        crate::support::recording::until_busy(target.pid(), Duration::from_millis(100));
        target.kill();
        let timeline = recording.finish().timeline()?;
        timeline
            .stacks()
            .try_for_each(|row| marks.check(row, |_| false))?;
        Ok(format!(
            "{} samples before its end",
            timeline.count("shown")
        ))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_target_may_become_another_python() {
    let machine = machine();
    let (from, to) = (machine.interpreter(), &machine.interpreters[0]);
    let script = scripts().join("known_chain.py");
    let arguments = [to.path.as_path(), &script];
    let mut target = Target::start(from, "changes_program.py", &arguments);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
    recording.wait_until_it_samples();
    target.say("go");
    // The new program reports that it is ready.
    target.next_line();
    crate::support::recording::until_busy(target.pid(), Duration::from_millis(300));
    target.kill();
    let timeline = recording.finish().timeline().expect("both were busy");
    let marks = Marks::read("known_chain.py");
    let names = |name: &str| {
        timeline
            .stacks()
            .filter(|it| it.frames.iter().any(|it| it.function == name))
            .count()
    };
    assert!(
        names("before") > 0 && names("h") > 0,
        "{} {}",
        names("before"),
        names("h")
    );
    for row in timeline
        .stacks()
        // Before the chain begins, the script runs its own start.
        .filter(|row| {
            row.frames
                .iter()
                .any(|it| marks.owns(it) && it.function == "f")
        })
    {
        marks.check(row, Frame::is_library).expect("a known chain");
    }
    assert_eq!(timeline.count("unknown_frames"), 0);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_target_may_become_another_program() {
    let machine = machine();
    let arguments = [
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done",
    ];
    let mut target = Target::start(machine.interpreter(), "changes_program.py", &arguments);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "1000", "--pid", &pid]);
    recording.wait_until_it_samples();
    target.say("go");
    assert!(target.wait());
    let timeline = recording.finish().timeline().expect("it was busy before");
    let last = timeline.stacks().last().expect("it was sampled");
    let is_before = |frame: &Frame| frame.function == "before";
    assert!(
        timeline
            .stacks()
            .any(|row| row.frames.iter().any(is_before))
    );
    // A tick may hit the call that changes the program.
    let is_last = |frame: &Frame| is_before(frame) || frame.source.contains("execv");
    assert!(last.frames.iter().any(is_last), "{last:?}");
    assert_eq!(timeline.count("unknown_frames"), 0);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_command_may_end_at_once() {
    let machine = machine();
    let python = machine.interpreter().path.to_str().expect("UTF-8");
    for (hz, text) in [
        ("1000", "pass"),
        ("1", "pass"),
        ("1000", "import os; os._exit(0)"),
    ] {
        let arguments = ["--hz", hz, "--", python, "-S", "-c", text];
        let finished = Recording::start(machine, &arguments).finish();
        match finished.status.code() {
            Some(0) => drop(finished.timeline().expect("a whole file")),
            Some(4) => {
                let is_said = |words| finished.errors.contains(words);
                // It may have been sampled before it was ready.
                assert!(
                    is_said("no sample") || is_said("none can be shown"),
                    "{}",
                    finished.errors
                );
            }
            other => panic!("exit status {other:?}: {}", finished.errors),
        }
    }
}
