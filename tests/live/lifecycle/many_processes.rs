// SPDX-License-Identifier: MIT OR Apache-2.0

//! Very many short processes: each with its own code, each with the pid of the one
//! before, and a thousand a second that are not Python at all.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::kernel_tables::keys;
use crate::support::machine::{Machine, machine, say};
use crate::support::marks::names;
use crate::support::programs::library;
use crate::support::recording::{Recording, cpu_time};
use crate::support::scratch::Scratch;
use crate::support::short_scripts::{self, number_of, script_of};
use crate::support::target::{Target, command};
use crate::support::timeline::Timeline;

/// The number of scripts, run by all interpreters in turn.
const SCRIPTS: usize = 500;
/// The number of scripts that run at once.
const AT_ONCE: usize = 4;

#[test]
#[ignore = "needs root and BPF"]
fn names_five_hundred_short_scripts() {
    let machine = machine();
    let directory = Scratch::new();
    let mut recording = Recording::start(machine, &["--hz", "1000"]);
    recording.wait_until_it_samples();
    let mut processes = HashMap::new();
    let mut running: Vec<Child> = Vec::new();
    for number in 0..SCRIPTS {
        if running.len() == AT_ONCE {
            end(running.remove(0));
        }
        let child = start(machine, directory.path(), number);
        processes.insert(number, child.id());
        running.push(child);
    }
    running.into_iter().for_each(end);
    recording.be_patient();
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("a timeline");
    let missed = missed(&timeline, &processes);
    assert!(missed.len() * 100 <= SCRIPTS, "not seen: {missed:?}");
    // What a process had not in memory, or no longer when it was asked.
    let without_lines = timeline.count_if_any("code_without_lines");
    assert!(
        without_lines * 100 <= timeline.count("shown"),
        "{:?}",
        timeline.counts
    );
    assert_eq!(
        timeline.count("unknown_frames"),
        0,
        "{:?}, {:?}",
        timeline.counts,
        unknown(&timeline)
    );
    say(format!(
        "  short scripts: {} of {SCRIPTS} seen, {} samples, no unknown frame",
        SCRIPTS - missed.len(),
        timeline.count("shown")
    ));
}

/// Returns the stacks with a frame that has no name.
fn unknown(timeline: &Timeline) -> Vec<Vec<&str>> {
    let stacks = timeline.stacks().map(names);
    stacks
        .filter(|names| names.contains(&"<unknown code>"))
        .collect()
}

fn start(machine: &Machine, directory: &Path, number: usize) -> Child {
    let interpreter = &machine.interpreters[number % machine.interpreters.len()];
    let file = short_scripts::write(directory, number);
    let mut command = command::<&str>(directory, interpreter, &file, &[]);
    let child = command.stdin(Stdio::null()).spawn();
    child.expect("it ran before")
}

fn end(mut child: Child) {
    assert!(child.wait().expect("it is our child").success());
}

/// Returns the scripts that are not in the timeline. What is there must be right, and
/// of the process that ran it: in a long storm several scripts have one pid.
fn missed(timeline: &Timeline, processes: &HashMap<usize, u32>) -> Vec<usize> {
    for thread in &timeline.threads {
        let number = script_of(thread);
        let expected = number.and_then(|number| processes.get(&number));
        let is_right = number.is_none() || expected == Some(&thread.pid);
        assert!(is_right, "script {number:?} in process {}", thread.pid);
    }
    let mut missed = Vec::new();
    for (&number, &pid) in processes {
        if short_scripts::check(timeline, pid, number).expect("right names and lines") == 0 {
            missed.push(number);
        }
    }
    missed
}

/// The number of processes that have one pid, one after the other.
const REUSES: usize = 24;

#[test]
#[ignore = "needs root and BPF"]
fn processes_with_one_number_are_told_apart() {
    let machine = machine();
    let directory = Scratch::new();
    for number in 0..REUSES {
        short_scripts::write(directory.path(), number);
    }
    let mut arguments: Vec<OsString> = vec![directory.path().into(), REUSES.to_string().into()];
    let interpreters = machine.interpreters.iter();
    arguments.extend(interpreters.map(|it| it.path.clone().into_os_string()));
    // First one process with its children, then the whole host.
    for scope in ["--pid", "host"] {
        let mut command = command(
            &crate::support::target::scripts(),
            machine.interpreter(),
            "reused_pid.py",
            &arguments,
        );
        // Private roots see the scripts that are run, not this one.
        command.env("PYEBPF_SCRIPTS", directory.path());
        let mut target = Target::run(command);
        let pid = target.pid().to_string();
        let mut options = vec!["--hz", "1000"];
        if scope == "--pid" {
            options.extend(["--pid", pid.as_str()]);
        }
        let mut recording = Recording::start(machine, &options);
        recording.wait_until_it_samples();
        target.say("go");
        let line = target.next_line();
        recording.be_patient();
        recording.signal(Signal::SIGINT);
        let timeline = recording.finish().timeline().expect("a timeline");
        let shared = line["pid"].as_u64().expect("a number") as u32;
        let mut seen = [false; REUSES];
        for thread in timeline.of_process(shared) {
            let frames = thread.rows.iter().flat_map(|row| &row.frames);
            let mut numbers: Vec<usize> = frames.filter_map(number_of).collect();
            numbers.dedup();
            assert!(numbers.len() <= 1, "{scope}: one process runs {numbers:?}");
            for number in numbers {
                assert!(!seen[number], "{scope}: two processes run script {number}");
                seen[number] = true;
            }
        }
        let count = seen.iter().filter(|seen| **seen).count();
        assert!(count * 20 >= REUSES * 19, "{scope}: {seen:?}");
        assert_eq!(
            timeline.count("unknown_frames"),
            0,
            "{:?}, {:?}",
            timeline.counts,
            unknown(&timeline)
        );
        say(format!(
            "  one number, {scope}: {count} of {REUSES} processes told apart"
        ));
    }
}

/// How long the storm lasts, in seconds; below, how many processes it starts in one.
const SECONDS: u64 = 15;
const RATE: u64 = 1000;
/// How long after the storm the tables may still hold processes that have ended.
const TIDY: Duration = Duration::from_secs(40);

#[test]
#[ignore = "needs root and BPF"]
fn a_thousand_processes_a_second_leave_nothing_behind() {
    let machine = machine();
    let seconds = std::env::var("PYEBPF_STORM_SECONDS").ok();
    let seconds = seconds.and_then(|it| it.parse().ok()).unwrap_or(SECONDS);
    let directory = Scratch::new();
    let storm = library(directory.path(), "storm.c");
    let arguments: [OsString; 3] = [
        storm.into(),
        seconds.to_string().into(),
        RATE.to_string().into(),
    ];
    let mut target = Target::start(machine.interpreter(), "process_storm.py", &arguments);
    // With waiting threads, so that there is a table of threads too.
    let mut recording = Recording::start(machine, &["--hz", "100", "--mode", "cpu,wall"]);
    recording.wait_until_it_samples();
    let before = (Instant::now(), cpu_time(recording.pid()));
    target.say("go");
    let mut processes = HashMap::new();
    while before.0.elapsed() < Duration::from_secs(seconds) {
        let number = processes.len();
        let child = start(machine, directory.path(), number);
        processes.insert(number, child.id());
        end(child);
    }
    let started = target.next_line()["started"].as_u64().unwrap_or(0);
    let elapsed = before.0.elapsed();
    let used = cpu_time(recording.pid()) - before.1;
    let left = wait_for_order(recording.pid());
    recording.be_patient();
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("a timeline");
    let counts = &timeline.counts;
    say(format!(
        "  storm: {started} processes and {} scripts in {:.1} s, pyebpf took {:.1} % of a CPU; {left}",
        processes.len(),
        elapsed.as_secs_f64(),
        used.as_secs_f64() / elapsed.as_secs_f64() * 100.0,
    ));
    // How many it starts depends on what else runs here.
    assert!(started >= 500, "only {started} were started");
    for lost in [
        "lost",
        "lost_lifecycle",
        "without_process",
        "undecodable",
        "process_table_full",
        "unknown_frames",
    ] {
        assert_eq!(timeline.count_if_any(lost), 0, "{lost}: {counts:?}");
    }
    // Once pyebpf knows that /bin/true is not Python, the eBPF program drops all others.
    let plain = timeline.count("plain_programs");
    assert!(plain * 10 >= started / 2 * 9, "{plain} of {started}");
    let missed = missed(&timeline, &processes);
    assert!(missed.len() * 20 <= processes.len(), "not seen: {missed:?}");
}

/// Waits until the tables hold only what lives. Returns how much that is.
fn wait_for_order(pid: u32) -> String {
    let deadline = Instant::now() + TIDY;
    loop {
        let of = |name| keys(pid, name).expect("pyebpf has that table");
        let (processes, threads) = (of("PROCESSES"), of("THREADS"));
        let both = processes.iter().chain(&threads);
        let dead: Vec<&u32> = both.filter(|id| !is_there(**id)).collect();
        if dead.is_empty() {
            return format!(
                "{} processes and {} threads in the tables, all alive",
                processes.len(),
                threads.len()
            );
        }
        assert!(Instant::now() < deadline, "still in the tables: {dead:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn is_there(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}
