// SPDX-License-Identifier: MIT OR Apache-2.0

//! Wall-clock mode on what people run: servers at rest and under load, very many
//! threads, threads that come and go, both modes at once, a whole host.

use std::time::Duration;

use crate::support::machine::machine;
use crate::support::recording::{Recording, until_busy};
use crate::support::states::{seconds, share};
use crate::support::target::Target;
use crate::support::timeline::Timeline;
use crate::support::wall::{named, record_wall};

#[test]
#[ignore = "needs root and BPF"]
fn an_event_loop_at_rest_is_one_row_of_input() {
    let machine = machine();
    machine.with_each("asyncio at rest", |interpreter| {
        let target = Target::start(interpreter, "asyncio_server.py", &["rest"]);
        let timeline = record_wall(machine, target.pid(), 100, Duration::from_millis(700))?;
        let main = named(&timeline, "MainThread")?[0];
        let io = share(&seconds(main), "I/O");
        let stack = crate::support::marks::names(&main.rows[0]);
        let is_selecting = stack.contains(&"select") && stack.contains(&"_run_once");
        if main.rows.len() == 2 && io > 0.95 && is_selecting {
            Ok(format!("{:.0} % I/O", io * 100.0))
        } else {
            Err(format!("{:?}, {stack:?}", seconds(main)))
        }
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn an_event_loop_under_load_runs_its_handler() {
    let machine = machine();
    machine.with_each("asyncio under load", |interpreter| {
        let target = Target::start(interpreter, "asyncio_server.py", &["load"]);
        let timeline = record_wall(machine, target.pid(), 500, Duration::from_millis(1000))?;
        let main = named(&timeline, "MainThread")?[0];
        let client = named(&timeline, "client")?[0];
        let handles = main.stacks().filter(|row| {
            let names = crate::support::marks::names(row);
            names.contains(&"handle") && names.contains(&"_run_once")
        });
        let handles = handles.count();
        let (server, asking) = (seconds(main), seconds(client));
        let busy = share(&server, "running") + share(&server, "runnable");
        let result = format!(
            "{handles} rows in the handler, busy {:.0} %, the client {:.0} % in I/O",
            busy * 100.0,
            share(&asking, "I/O") * 100.0
        );
        if handles > 20 && busy > 0.1 && share(&asking, "I/O") > 0.1 {
            Ok(result)
        } else {
            Err(format!("{result}: {server:?}, {asking:?}"))
        }
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn two_thousand_threads_are_two_thousand_rows() {
    let machine = machine();
    const COUNT: usize = 2000;
    let count = COUNT.to_string();
    let target = Target::start(machine.interpreter(), "many_threads.py", &[&count]);
    let timeline = record_wall(machine, target.pid(), 10, Duration::from_secs(2));
    let timeline = timeline.expect("it is sampled");
    assert_eq!(timeline.threads.len(), COUNT + 1);
    let sleeping = timeline.threads.iter().filter(|thread| {
        let deep = thread.stacks().all(|row| row.frames.len() >= 24);
        deep && thread.rows.len() == 2 && share(&seconds(thread), "sleeping") > 0.95
    });
    assert_eq!(sleeping.count(), COUNT);
    assert_eq!(timeline.count("lost"), 0);
}

#[test]
#[ignore = "needs root and BPF"]
fn threads_that_end_are_closed_and_others_go_on() {
    let machine = machine();
    machine.with_each("short threads", |interpreter| {
        let target = Target::start::<&str>(interpreter, "short_threads.py", &[]);
        let timeline = record_wall(machine, target.pid(), 200, Duration::from_millis(1000))?;
        let brief = |it: &&crate::support::timeline::Thread| {
            it.stacks()
                .any(|row| row.frames.iter().any(|frame| frame.short_name() == "brief"))
        };
        let ended: Vec<_> = timeline.threads.iter().filter(brief).collect();
        // Each lives for 20 ms and its row ends with it, a little later on a busy
        // machine.
        let lives = ended.iter().map(|it| {
            let (first, last) = (it.rows.first(), it.rows.last());
            last.map_or(0.0, |row| row.time) - first.map_or(0.0, |row| row.time)
        });
        let longest = lives.fold(0.0, f64::max);
        let lasting = named(&timeline, "lasting")?[0];
        let is_whole = lasting.rows.len() == 2 && share(&seconds(lasting), "sleeping") > 0.95;
        let result = format!(
            "{} threads ended, the longest after {longest:.3} s",
            ended.len()
        );
        if ended.len() > 50 && longest < 0.5 && is_whole {
            Ok(result)
        } else {
            Err(result)
        }
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn both_modes_together_are_one_trace() {
    let machine = machine();
    let target = Target::start(machine.interpreter(), "waiting.py", &["gil"]);
    let mut recording = Recording::start(
        machine,
        &[
            "--mode",
            "cpu,wall",
            "--hz",
            "100",
            "-p",
            &target.pid().to_string(),
        ],
    );
    recording.wait_until_it_samples();
    until_busy(target.pid(), Duration::from_millis(500));
    recording.signal(nix::sys::signal::Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("there is a timeline");
    assert_states(&timeline);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_whole_host_has_its_waiting_threads() {
    let machine = machine();
    let quiet = Target::start(machine.interpreter(), "waiting.py", &["quiet"]);
    let busy = Target::start(machine.interpreter(), "waiting.py", &["gil"]);
    let recording = Recording::start(machine, &["--mode", "wall", "--hz", "50", "-d", "1s"]);
    let timeline = recording.finish().timeline().expect("there is a timeline");
    assert_eq!(timeline.of_process(quiet.pid()).count(), 10);
    assert_eq!(timeline.of_process(busy.pid()).count(), 5);
    assert_states(&timeline);
}

/// Checks that four threads that compete for the GIL both run and wait for it.
fn assert_states(timeline: &Timeline) {
    let threads = named(timeline, "gil").expect("they are there");
    let mut all = crate::support::states::Seconds::new();
    for thread in threads {
        for (state, time) in seconds(thread) {
            *all.entry(state).or_default() += time;
        }
    }
    assert!(share(&all, "running") > 0.05, "{all:?}");
    assert!(share(&all, "waiting for GIL") > 0.2, "{all:?}");
}
