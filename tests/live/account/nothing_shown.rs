// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is said where nothing can be shown: it claims no more than was counted.

use crate::support::machine::machine;
use crate::support::recording::Recording;
use crate::support::target::Target;

/// Returns a thread that is not the main one.
fn other_thread(pid: u32) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
    let numbers = tasks.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
    let mut others = numbers.filter(|tid: &u32| *tid != pid);
    others.next().expect("it has threads")
}

#[test]
#[ignore = "needs root and BPF"]
fn the_number_of_a_thread_stands_for_its_process() {
    let machine = machine();
    machine.with_each("a thread's number", |interpreter| {
        let target = Target::start(interpreter, "waiting.py", &["gil"]);
        let tid = other_thread(target.pid()).to_string();
        let arguments = ["--hz", "200", "-d", "0.5", "--pid", &tid];
        let finished = Recording::start(machine, &arguments).finish();
        let expected = format!("{tid} is a thread of process {}", target.pid());
        if !finished.errors.contains(&expected) {
            return Err(finished.errors);
        }
        let timeline = finished.timeline()?;
        match timeline.of_process(target.pid()).count() {
            0 => Err(format!(
                "no thread of the process: {}",
                timeline.counts["taken"]
            )),
            count => Ok(format!("{count} threads")),
        }
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_that_rests_used_no_cpu_time() {
    let machine = machine();
    let target = Target::start(machine.interpreter(), "waiting.py", &["quiet"]);
    let pid = target.pid().to_string();
    let arguments = ["--hz", "10", "-d", "0.5", "--pid", &pid];
    let finished = Recording::start(machine, &arguments).finish();
    assert_eq!(finished.status.code(), Some(4), "{}", finished.errors);
    let expected = format!("process {pid} used less than 10 ms of CPU time");
    assert!(finished.errors.contains(&expected), "{}", finished.errors);
    assert!(
        finished.errors.contains("--mode wall"),
        "{}",
        finished.errors
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn what_was_used_and_not_met_is_said() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    // It is busy all the time, but a recording shorter than one period may have no tick.
    let mut misses = 0;
    for _ in 0..20 {
        let arguments = ["--hz", "1", "-d", "0.1", "--pid", &pid];
        let finished = Recording::start(machine, &arguments).finish();
        if finished.status.code() == Some(4) {
            misses += 1;
            let said = &finished.errors;
            let is_told = said.contains("of CPU time, but none of the ticks, 1 a second");
            assert!(is_told, "{said}");
        }
        if misses > 1 {
            return;
        }
    }
    panic!("a tick a second came into nine of ten tenths of a second");
}
