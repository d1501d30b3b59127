// SPDX-License-Identifier: MIT OR Apache-2.0

//! A process whose main thread has ended while others continue: the kernel then shows
//! no memory, no program and no arguments under its pid.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::interpreters::Interpreter;

use crate::support::dumped::dump;
use crate::support::machine::{Machine, machine};
use crate::support::recording::{Recording, pace};
use crate::support::target::Target;

#[test]
#[ignore = "needs root and BPF"]
fn a_process_is_found_by_the_threads_that_it_has_left() {
    let machine = machine();
    machine.with_each("ended main thread", |interpreter| run(machine, interpreter));
}

fn run(machine: &Machine, interpreter: &Interpreter) -> Result<String, String> {
    let target = Target::start::<&str>(interpreter, "ended_main_thread.py", &[]);
    let pid = target.pid();
    let tid = target.ready["tid"].as_u64().unwrap_or(0);
    is_listed(machine, pid)?;

    let dumped = dump(machine, pid)?;
    let thread = dumped.thread("survivor")?;
    let mut frames = thread.row.frames.iter();
    if thread.tid != tid || !frames.any(|it| it.short_name() == "in_survivor") {
        return Err(format!("dumped as {thread:?}"));
    }

    let mut shown = Vec::new();
    for mode in ["cpu", "wall"] {
        let number = pid.to_string();
        let mut arguments = ["--mode", mode, "--pid", &number]
            .map(ToOwned::to_owned)
            .to_vec();
        arguments.extend(pace(100, Duration::from_secs(1)));
        let timeline = Recording::start(machine, &arguments).finish().timeline()?;
        let mut threads = timeline.of_process(pid);
        let thread = threads.find(|it| u64::from(it.tid) == tid);
        let thread = thread.ok_or_else(|| format!("{mode}: it has no row"))?;
        let runs = |name: &str| {
            let mut frames = thread.rows.iter().flat_map(|row| &row.frames);
            frames.any(|frame| frame.short_name() == name)
        };
        if thread.name != "survivor" || !runs("in_survivor") {
            return Err(format!("{mode}: shown as {}", thread.name));
        }
        shown.push(format!(
            "{} samples in {mode} mode",
            timeline.count("shown")
        ));
    }
    Ok(shown.join(", "))
}

/// Checks that `ps` lists the process, with its version and its arguments.
fn is_listed(machine: &Machine, pid: u32) -> Result<(), String> {
    let output = Command::new(&machine.pyebpf)
        .args(["ps", "--json"])
        .output();
    let output = output.map_err(|error| error.to_string())?;
    let listed: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let mut processes = listed["processes"].as_array().into_iter().flatten();
    let process = processes.find(|it| it["pid"] == pid);
    let process = process.ok_or("ps does not list it")?;
    let is_whole = process["problem"].is_null()
        && process["python"].is_string()
        && process["program"] == "ended_main_thread.py";
    if is_whole {
        Ok(())
    } else {
        Err(format!("listed as {process}"))
    }
}
