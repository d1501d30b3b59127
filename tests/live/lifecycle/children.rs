// SPDX-License-Identifier: MIT OR Apache-2.0

//! Processes that a recorded process starts: by fork, in a pool of workers, by
//! executing another program.

use std::collections::HashSet;

use tests::interpreters::Interpreter;

use crate::support::machine::{Machine, machine};
use crate::support::recording::Recording;
use crate::support::target::Target;
use crate::support::timeline::Timeline;

/// How long after its first Python code a child may first be seen, in seconds.
/// One sampling period would do, but four children share two processors.
const FIRST_MOMENTS: f64 = 0.1;

/// A child, and when it began, as it reports itself.
struct Child {
    pid: u32,
    began: f64,
}

#[test]
#[ignore = "needs root and BPF"]
fn follows_forked_workers() {
    follows("fork");
}

#[test]
#[ignore = "needs root and BPF"]
fn follows_a_pool_of_workers() {
    follows("pool");
}

#[test]
#[ignore = "needs root and BPF"]
fn follows_a_program_that_is_started() {
    follows("program");
}

#[test]
#[ignore = "needs root and BPF"]
fn follows_workers_that_were_there_before() {
    follows("before");
}

#[test]
#[ignore = "needs root and BPF"]
fn leaves_children_out_when_asked_to() {
    let machine = machine();
    let interpreter = machine.interpreter();
    let (timeline, children, parent) = run(machine, interpreter, "fork", &["--no-children"]);
    let timeline = timeline.expect("the parent was busy too");
    assert!(timeline.of_process(parent).next().is_some());
    for child in children {
        assert!(timeline.of_process(child.pid).next().is_none());
    }
}

fn follows(way: &str) {
    let machine = machine();
    machine.with_each(&format!("children by {way}"), |interpreter| {
        let (timeline, children, _) = run(machine, interpreter, way, &[]);
        let timeline = timeline?;
        let mut latest: f64 = 0.0;
        for child in &children {
            let mut rows = timeline.of_process(child.pid).flat_map(|it| &it.rows);
            let first = rows
                .next()
                .ok_or_else(|| format!("child {} is missing", child.pid))?;
            latest = latest.max(first.time - child.began);
            let mut frames = rows.flat_map(|row| &row.frames);
            if !frames.any(|frame| frame.short_name() == "in_worker") {
                return Err(format!("child {} is never in its work", child.pid));
            }
        }
        if latest > FIRST_MOMENTS || timeline.count("unknown_frames") > 0 {
            return Err(format!("first seen {latest} s late; {:?}", timeline.counts));
        }
        let pids: HashSet<u32> = children.iter().map(|it| it.pid).collect();
        Ok(format!(
            "{} children, seen {:.1} ms after they began",
            pids.len(),
            latest * 1e3
        ))
    });
}

/// Records a process from before it has children until all have ended. Returns
/// the timeline, the children and the pid of the parent.
fn run(
    machine: &Machine,
    interpreter: &Interpreter,
    way: &str,
    more: &[&str],
) -> (Result<Timeline, String>, Vec<Child>, u32) {
    let mut target = Target::start(interpreter, "children.py", &[way]);
    let pid = target.pid().to_string();
    let arguments = [&["--hz", "1000", "--pid", &pid], more].concat();
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    target.say("go");
    let mut children = Vec::new();
    loop {
        let line = target.next_line();
        match (line["pid"].as_u64(), line["began"].as_f64()) {
            (Some(pid), Some(began)) => children.push(Child {
                pid: u32::try_from(pid).expect("pids are small"),
                began,
            }),
            _ => break,
        }
    }
    assert!(!children.is_empty() && target.wait());
    // The recording ends by itself, with its last target.
    (recording.finish().timeline(), children, target.pid())
}
