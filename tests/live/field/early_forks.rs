// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that fork in their first milliseconds, before pyebpf knows what they run:
//! each child must be sampled all the same.

use std::ffi::OsString;

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::interpreters::Interpreter;

use crate::support::machine::{Machine, machine};
use crate::support::recording::Recording;
use crate::support::target::{Target, scripts};
use crate::support::timeline::Timeline;

/// The number of programs that each interpreter starts, which go on from there in six
/// ways; `PYEBPF_TRIALS` in the environment sets another number.
const TRIALS: usize = 24;
/// The latest time at which they fork, in milliseconds after their start.
const LONGEST: usize = 30;

/// The number of recordings for each interpreter that start the program themselves: a
/// recorder that has just begun has looked into no file, so its first look takes
/// longest.
const RECORDINGS: usize = 6;

#[test]
#[ignore = "needs root and BPF"]
fn no_child_is_lost_during_the_first_look() {
    let machine = machine();
    machine.with_each("forks during the first look", |interpreter| {
        let late = (0..RECORDINGS).map(|number| number * 4);
        let lost: Result<Vec<usize>, String> = late
            .filter_map(|milliseconds| {
                match is_lost_from_the_start(machine, interpreter, milliseconds) {
                    Ok(false) => None,
                    Ok(true) => Some(Ok(milliseconds)),
                    Err(error) => Some(Err(error)),
                }
            })
            .collect();
        match lost? {
            lost if lost.is_empty() => Ok(format!("{RECORDINGS} children, none lost")),
            lost => Err(format!("lost with the fork after {lost:?} ms")),
        }
    });
}

/// Records a program that forks after `milliseconds`; returns whether its child is lost.
fn is_lost_from_the_start(
    machine: &Machine,
    interpreter: &Interpreter,
    milliseconds: usize,
) -> Result<bool, String> {
    let directory = scripts();
    let command: [OsString; 10] = [
        "--hz".into(),
        "500".into(),
        "--".into(),
        "env".into(),
        // Private roots see the scripts only with this variable.
        format!("PYEBPF_SCRIPTS={}", directory.display()).into(),
        interpreter.path.clone().into(),
        directory.join("early_forks.py").into(),
        "trial".into(),
        "fork".into(),
        milliseconds.to_string().into(),
    ];
    let finished = Recording::start(machine, &command).finish();
    let line: Value = serde_json::from_slice(&finished.output).map_err(|it| it.to_string())?;
    let pid = line["pid"].as_u64().ok_or("no worker")?;
    let pid = u32::try_from(pid).expect("pids are small");
    // Without any sample there is no timeline.
    let timeline = finished.timeline();
    Ok(!timeline.is_ok_and(|timeline| works(&timeline, pid)))
}

/// Whether the process `pid` is seen at work.
fn works(timeline: &Timeline, pid: u32) -> bool {
    let mut rows = timeline.of_process(pid).flat_map(|it| &it.rows);
    rows.any(|row| row.frames.iter().any(|it| it.short_name() == "in_worker"))
}

#[test]
#[ignore = "needs root and BPF"]
fn no_child_of_an_early_fork_is_lost() {
    let machine = machine();
    machine.with_each("early forks", |interpreter| {
        run(machine, interpreter, Scope::Tree, trials())
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn no_child_of_an_early_fork_is_lost_on_a_whole_host() {
    let machine = machine();
    let run = run(machine, machine.interpreter(), Scope::Host, trials() * 2);
    assert!(run.is_ok(), "{run:?}");
}

#[test]
#[ignore = "needs root and BPF"]
fn no_child_of_an_early_fork_is_lost_where_waiting_is_sampled() {
    let machine = machine();
    let run = run(machine, machine.interpreter(), Scope::Waiting, trials());
    assert!(run.is_ok(), "{run:?}");
}

fn trials() -> usize {
    let asked_for = std::env::var("PYEBPF_TRIALS");
    asked_for.map_or(TRIALS, |it| it.parse().expect("a number of trials"))
}

/// What is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// A process and its descendants.
    Tree,
    /// The same, with waiting threads.
    Waiting,
    /// All processes.
    Host,
}

fn run(
    machine: &Machine,
    interpreter: &Interpreter,
    scope: Scope,
    trials: usize,
) -> Result<String, String> {
    let arguments = ["drive", &trials.to_string(), &LONGEST.to_string()];
    let mut target = Target::start(interpreter, "early_forks.py", &arguments);
    let pid = target.pid().to_string();
    let of_process = ["--hz", "500", "--pid", &pid, "--mode", "wall"];
    let arguments = match scope {
        Scope::Tree => &of_process[..4],
        Scope::Waiting => &of_process[..],
        Scope::Host => &of_process[..2],
    };
    let mut recording = Recording::start(machine, arguments);
    recording.wait_until_it_samples();
    target.say("go");
    let mut workers = Vec::new();
    loop {
        let line = target.next_line();
        let Some(pid) = line["pid"].as_u64() else {
            break;
        };
        let how = line["how"].as_str().unwrap_or_default().to_owned();
        recording.be_patient();
        workers.push((u32::try_from(pid).expect("pids are small"), how));
    }
    if !target.wait() || workers.len() < trials {
        return Err(format!("only {} of {trials} worked", workers.len()));
    }
    if scope == Scope::Host {
        recording.signal(Signal::SIGINT);
    }
    let timeline = recording.finish().timeline()?;
    let lost = workers.iter().filter(|(pid, _)| !works(&timeline, *pid));
    let lost: Vec<&str> = lost.map(|(_, how)| how.as_str()).collect();
    if lost.is_empty() {
        return Ok(format!("{} workers, none lost", workers.len()));
    }
    Err(format!(
        "{} of {} lost: {lost:?}",
        lost.len(),
        workers.len()
    ))
}
