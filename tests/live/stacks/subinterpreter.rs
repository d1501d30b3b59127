// SPDX-License-Identifier: MIT OR Apache-2.0

//! Code that runs in subinterpreters.

use std::time::Duration;

use crate::support::machine::machine;
use crate::support::recording::record;
use crate::support::target::Target;

#[test]
#[ignore = "needs root and BPF"]
fn shows_code_in_a_subinterpreter() {
    let machine = machine();
    machine.with_each_build("subinterpreter", |interpreter| {
        let target = Target::start::<&str>(interpreter, "subinterpreter.py", &[]);
        if target.ready["available"] == false {
            return Ok("not run: this interpreter has no module for them".to_owned());
        }
        let timeline = record(machine, target.pid(), 500, Duration::from_millis(700))?;
        let mut rows = 0;
        for row in timeline.stacks() {
            rows += 1;
            let names = crate::support::marks::names(row);
            if !names.ends_with(&["<module>", "inside", "busy_inside"]) {
                return Err(format!("a row shows {names:?}"));
            }
            let lines: Vec<u32> = row.frames.iter().rev().take(3).map(|it| it.line).collect();
            if !matches!(lines.as_slice(), [3..=5, 8, 13]) {
                return Err(format!("the lines are {lines:?}, innermost first"));
            }
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        if shown < 50 || refused * 99 > shown {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        Ok(format!("{rows} rows, {shown} samples, {refused} refused"))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_two_subinterpreters_at_once() {
    let machine = machine();
    machine.with_each_build("two subinterpreters", |interpreter| {
        // From 3.12 on each has a GIL of its own, and they run in parallel.
        if interpreter.minor < 12 {
            return Ok("not run: they take turns".to_owned());
        }
        let mut target = Target::start(interpreter, "subinterpreter.py", &["two"]);
        if target.ready["available"] == false {
            return Ok("not run: this interpreter has no module for them".to_owned());
        }
        target.next_line();
        let timeline = record(machine, target.pid(), 500, Duration::from_millis(700))?;
        let mut threads = 0;
        for thread in timeline.threads.iter().filter(|it| it.tid != it.pid) {
            threads += 1;
            for row in thread.stacks() {
                let names = crate::support::marks::names(row);
                if !names.ends_with(&["<module>", "inside", "busy_inside"]) {
                    return Err(format!("a row shows {names:?}"));
                }
            }
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        if threads != 2 || refused * 20 > shown || timeline.count("unknown_frames") > 0 {
            return Err(format!("{threads} threads, {:?}", timeline.counts));
        }
        Ok(format!("{shown} samples, {refused} refused"))
    });
}
