// SPDX-License-Identifier: MIT OR Apache-2.0

//! Wall-clock mode: every thread, including waiting ones, with its state.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::interpreters::Interpreter;

use crate::support::container::Cgroup;
use crate::support::dumped::dump;
use crate::support::machine::{Machine, machine};
use crate::support::marks::Marks;
use crate::support::recording::until_busy;
use crate::support::states::{seconds, share};
use crate::support::target::{Target, command, scripts};
use crate::support::timeline::Timeline;
use crate::support::wall::{named, record_wall};

fn of_script(
    machine: &Machine,
    interpreter: &Interpreter,
    kind: &str,
) -> Result<(Target, Timeline), String> {
    let target = Target::start(interpreter, "waiting.py", &[kind]);
    let timeline = record_wall(machine, target.pid(), 100, Duration::from_millis(900))?;
    Ok((target, timeline))
}

#[test]
#[ignore = "needs root and BPF"]
fn a_thread_that_waits_is_one_row_with_its_state_and_line() {
    let machine = machine();
    let marks = Marks::read("waiting.py");
    machine.with_each_build("waiting threads", |interpreter| {
        let (target, timeline) = of_script(machine, interpreter, "quiet")?;
        let states = target.ready.as_object().ok_or("no states")?;
        for (name, state) in states {
            let state = match state.as_str().ok_or("no state")? {
                // With musl it could be a wait for the GIL as well.
                "lock" if interpreter.musl && name == "locked" => "waiting",
                state => state,
            };
            let threads = named(&timeline, name)?;
            let &[thread] = threads.as_slice() else {
                return Err(format!("{name} is there {} times", threads.len()));
            };
            let seconds = seconds(thread);
            // A thread that waited all the time has one row, and one that closes it.
            if thread.rows.len() != 2 || share(&seconds, state) < 0.95 {
                return Err(format!("{name}: {seconds:?}, {} rows", thread.rows.len()));
            }
            for row in thread.stacks() {
                marks.check(row, |frame| frame.is_library())?;
                if row.frames.iter().all(|frame| frame.short_name() != name) {
                    return Err(format!("{name} is not in its own stack: {row:?}"));
                }
            }
        }
        let main = named(&timeline, "MainThread")?[0];
        let io = share(&seconds(main), "I/O");
        if io < 0.95 {
            return Err(format!("the main thread reads: {:?}", seconds(main)));
        }
        let unchanged = timeline.count("unchanged");
        let taken = timeline.count("taken");
        // At least one scan after the first found all of them unchanged.
        let least = timeline.threads.len() as u64;
        if taken > 40 || unchanged < least {
            return Err(format!(
                "{taken} samples of threads at rest, {unchanged} spared"
            ));
        }
        Ok(format!(
            "{} threads, {taken} samples, {unchanged} spared",
            timeline.threads.len()
        ))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_fight_for_the_gil_is_not_one_for_a_lock() {
    let machine = machine();
    machine.with_each("convoys", |interpreter| {
        let mut said = Vec::new();
        for (kind, state, wrong) in [
            ("gil", "waiting for GIL", "lock"),
            ("lock", "lock", "waiting for GIL"),
        ] {
            let (_target, timeline) = of_script(machine, interpreter, kind)?;
            let threads = named(&timeline, kind)?;
            let mut all = crate::support::states::Seconds::new();
            for thread in &threads {
                for (state, time) in seconds(thread) {
                    *all.entry(state).or_default() += time;
                }
            }
            let (right, wrong) = (share(&all, state), share(&all, wrong));
            // Of four, three wait at any time, less those that wait for a CPU.
            if threads.len() != 4 || right < 0.25 || wrong > 0.05 {
                return Err(format!("{kind}: {all:?} in {} threads", threads.len()));
            }
            said.push(format!("{kind}: {:.0} %", right * 100.0));
        }
        Ok(said.join(", "))
    });
}

/// The number of threads that alternate between two chains and sleep in both.
const ALTERNATING: u64 = 4;

/// `PYEBPF_ORACLE_SAMPLES` sets the number of samples of each interpreter; the
/// default is 6000.
#[test]
#[ignore = "needs root and BPF"]
fn no_stack_of_a_waiting_thread_is_impossible() {
    let machine = machine();
    let wanted = std::env::var("PYEBPF_ORACLE_SAMPLES");
    let wanted: u64 = wanted.map_or(6000, |it| it.parse().expect("a number of samples"));
    let marks = Marks::read("waiting_chains.py");
    machine.with_each_build("waiting chains", |interpreter| {
        let count = ALTERNATING.to_string();
        let target = Target::start(interpreter, "waiting_chains.py", &[&count]);
        let duration = Duration::from_millis(wanted / ALTERNATING);
        let timeline = record_wall(machine, target.pid(), 1000, duration)?;
        let mut impossible = Vec::new();
        let mut rows = 0;
        for row in timeline.stacks() {
            rows += 1;
            let library = marks.check(row, |frame| frame.is_library());
            impossible.extend(library.err());
        }
        let of = |name| timeline.count(name);
        let (shown, refused) = (of("shown"), of("refused"));
        let result = format!(
            "{shown} samples, {rows} rows, {} impossible, {refused} refused ({} ran meanwhile), {} lost, {} scans left out",
            impossible.len(),
            timeline.counts.get("moved").copied().unwrap_or(0),
            of("lost"),
            of("passes_skipped"),
        );
        // On a busy machine scans are left out; those that are made see most threads.
        let looks = wanted.saturating_sub(of("passes_skipped") * ALTERNATING);
        let is_enough = shown * 4 > looks && shown * 20 > wanted;
        if impossible.is_empty() && is_enough && of("unknown_frames") == 0 {
            Ok(result)
        } else {
            Err(format!("{result}: {:?}", impossible.iter().take(5).collect::<Vec<_>>()))
        }
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_stopped_process_says_so_and_keeps_its_stacks() {
    let machine = machine();
    let target = Target::start(machine.interpreter(), "waiting.py", &["gil"]);
    let pid = Pid::from_raw(i32::try_from(target.pid()).expect("pids are small"));
    kill(pid, Signal::SIGSTOP).expect("it is our child");
    let timeline = record_wall(machine, target.pid(), 100, Duration::from_millis(600));
    kill(pid, Signal::SIGCONT).expect("it is our child");
    let timeline = timeline.expect("a stopped process has stacks");
    assert_eq!(timeline.threads.len(), 5);
    for thread in &timeline.threads {
        let seconds = seconds(thread);
        assert!(
            share(&seconds, "stopped") > 0.95,
            "{}: {seconds:?}",
            thread.name
        );
    }
}

/// `docker pause` freezes the cgroup of a container.
#[test]
#[ignore = "needs root and BPF"]
fn a_process_in_a_frozen_cgroup_is_stopped() {
    let machine = machine();
    let cgroups = Cgroup::freezable();
    assert!(!cgroups.is_empty(), "no cgroup of this host can be frozen");
    for cgroup in &cgroups {
        let inner = command::<&str>(&scripts(), machine.interpreter(), "known_chain.py", &[]);
        let mut outer = cgroup.enter();
        outer.arg(inner.get_program()).args(inner.get_args());
        let target = Target::spawn(&mut outer);
        // In a system call, it would keep that call's state.
        until_busy(target.pid(), Duration::from_millis(50));
        let frozen = cgroup.freeze();
        let timeline = record_wall(machine, target.pid(), 100, Duration::from_millis(600));
        let dumped = dump(machine, target.pid());
        drop(frozen);
        let timeline = timeline.expect("a frozen process has a stack");
        let seconds = seconds(&timeline.threads[0]);
        let place = cgroup.directory.display();
        assert!(share(&seconds, "stopped") > 0.95, "{place}: {seconds:?}");
        // `/proc` says of a thread that version 1 has frozen what it says of one that waits
        // for a page.
        if cgroup.directory.join("cgroup.freeze").exists() {
            let threads = dumped.expect("a frozen process is dumped").threads;
            assert_eq!(threads[0].state, "stopped", "{place}");
        }
    }
}
