// SPDX-License-Identifier: MIT OR Apache-2.0

//! Threads by the names and identities that Python gives them.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::machine::machine;
use crate::support::marks::Marks;
use crate::support::recording::{Recording, Walk, record, record_work};
use crate::support::target::Target;
use crate::support::timeline::Timeline;
use crate::support::wall::record_wall;

#[test]
#[ignore = "needs root and BPF"]
fn shows_fifty_threads_by_name() {
    let machine = machine();
    machine.with_each_build("fifty threads", |interpreter| {
        let target = Target::start::<&str>(interpreter, "named_threads.py", &[]);
        // Twenty samples of each thread.
        let work = Duration::from_secs(1);
        let timeline = record_work(machine, target.pid(), 997, work, Walk::OfThisKernel)?;
        let known = target.ready.as_array().ok_or("no list of threads")?;
        for thread in known {
            let shown = |it: &&crate::support::timeline::Thread| it.name == thread[0];
            let found: Vec<_> = timeline.threads.iter().filter(shown).collect();
            let &[found] = found.as_slice() else {
                return Err(format!("{} is there {} times", thread[0], found.len()));
            };
            if thread[1] != found.ident || thread[2] != found.tid {
                return Err(format!(
                    "{thread} has ident {}, tid {}",
                    found.ident, found.tid
                ));
            }
            if let Some(other) = found.stacks().find(|row| {
                row.frames
                    .last()
                    .is_none_or(|frame| frame.short_name() != "work")
            }) {
                return Err(format!("{thread} shows {other:?}"));
            }
        }
        // The main thread has printed its last line, but may wait for its turn to read.
        let names = timeline.threads.iter().map(|it| it.name.as_str());
        let names: Vec<_> = names.filter(|name| *name != "MainThread").collect();
        if names.len() != known.len() {
            return Err(format!("there are others too: {names:?}"));
        }
        Ok(format!("{} threads", known.len()))
    });
}

/// A thread that the kernel creates in a process has a copy of the thread pointer of
/// one of its threads, and no stack.
#[test]
#[ignore = "needs root and BPF"]
fn shows_no_stack_of_a_thread_that_the_kernel_made() {
    let machine = machine();
    let marks = Marks::read("kernel_thread.py");
    machine.with_each("a thread of the kernel's", |interpreter| {
        let duration = Duration::from_millis(700);
        let mut on_cpu = 0;
        // While it polls, ticks hit it; while it sleeps, scans meet it.
        for kind in ["awake", "asleep"] {
            let target = Target::start(interpreter, "kernel_thread.py", &[kind]);
            if let Some(reason) = target.ready["refused"].as_str() {
                return Ok(format!("the kernel makes none: {reason}"));
            }
            if target.ready["made"].as_array().map_or(0, Vec::len) != 1 {
                return Err(format!("{} are the kernel's", target.ready["made"]));
            }
            let timeline = match kind {
                "awake" => record(machine, target.pid(), 200, duration)?,
                _ => record_wall(machine, target.pid(), 100, duration)?,
            };
            let tids = timeline.threads.iter().map(|it| it.tid);
            if !tids.eq([target.pid()]) {
                let names = timeline.threads.iter().map(|it| &it.name);
                return Err(format!("{kind}: threads {:?}", names.collect::<Vec<_>>()));
            }
            for row in timeline.stacks() {
                marks.check(row, |_| false)?;
            }
            let hits = timeline.count_if_any("no_thread_state");
            if kind == "awake" && hits < 10 {
                return Err(format!("it was hit {hits} times: {:?}", timeline.counts));
            }
            on_cpu += hits;
        }
        Ok(format!("{on_cpu} samples without a stack"))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_a_name_that_changes() {
    let machine = machine();
    let has = |timeline: &Timeline, name: &str| timeline.threads.iter().any(|it| it.name == name);
    let mut target = Target::start::<&str>(machine.interpreter(), "renamed_thread.py", &[]);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "100", "--pid", &pid]);
    recording.wait_until_it_shows(|timeline| has(timeline, "before"));
    // By now pyebpf rarely reads the name, if that depends on the samples alone.
    crate::support::recording::until_busy(target.pid(), Duration::from_millis(1500));
    target.say("after");
    target.next_line();
    recording.wait_until_it_shows(|timeline| has(timeline, "after"));
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("a timeline");
    let of = |name: &str| {
        let mut found = timeline.threads.iter().filter(|it| it.name == name);
        match (found.next(), found.next()) {
            (Some(thread), None) => thread,
            _ => panic!("not one thread {name}"),
        }
    };
    let (before, after) = (of("before"), of("after"));
    let end = before.rows.last().map_or(0.0, |row| row.time);
    let begin = after.rows.first().map_or(0.0, |row| row.time);
    assert_eq!((before.tid, before.ident), (after.tid, after.ident));
    assert!(end <= begin, "{before:?} does not go over into {after:?}");
}
