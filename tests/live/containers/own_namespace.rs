// SPDX-License-Identifier: MIT OR Apache-2.0

//! pyebpf in a pid namespace of its own, as in a container without `--pid=host`: it
//! sees only its own processes, by their pids there.

use std::process::Command;
use std::time::Duration;

use crate::support::container::Container;
use crate::support::machine::{Machine, machine};
use crate::support::marks::Marks;
use crate::support::output::{json_of, text_of};
use crate::support::recording::{Finished, Recording, TIMELINE, until_busy};
use crate::support::scratch::Scratch;
use crate::support::states::{seconds, share};
use crate::support::target::{Target, command};
use crate::support::timeline::{Frame, Timeline};
use crate::support::wall::named;

const SCRIPT: &str = "inside.py";

/// A pid namespace with a target in it.
struct Own {
    target: Target,
    /// The target's pid inside.
    pid: u64,
    container: Container,
}

impl Own {
    fn start(machine: &Machine, script: &str, arguments: &[&str]) -> Self {
        let container = Container::start(&["--mount-proc"]);
        let target = start_in(&container, machine, script, arguments);
        let pid = target.ready["pid"].as_u64().unwrap_or(0);
        Self {
            target,
            pid,
            container,
        }
    }

    /// Returns a command that runs pyebpf next to the target.
    fn pyebpf(&self, machine: &Machine, arguments: &[&str]) -> Command {
        let mut command = self.container.enter();
        command.arg(&machine.pyebpf).args(arguments);
        command
    }

    /// Starts a recording next to the target.
    fn begin(&self, machine: &Machine, arguments: &[&str], scans: Option<&str>) -> Recording {
        let directory = Scratch::new();
        let mut command = self.pyebpf(machine, &["-v", "-o"]);
        command.arg(directory.path().join(TIMELINE)).args(arguments);
        if let Some(scans) = scans {
            command.env("PYEBPF_PASSES", scans);
        }
        Recording::spawn(command, directory)
    }

    /// Records while the target is busy for a moment.
    fn record(&self, machine: &Machine, arguments: &[&str], scans: Option<&str>) -> Finished {
        let pid = self.pid.to_string();
        let arguments = [arguments, &["--pid", &pid]].concat();
        let mut recording = self.begin(machine, &arguments, scans);
        recording.wait_until_it_samples();
        let outer = self.container.outer_pid(self.pid);
        until_busy(outer, Duration::from_millis(400));
        recording.interrupt_inner();
        recording.finish()
    }

    /// Checks that all threads are the target's, with its known stacks.
    fn assert_known(&self, timeline: &Timeline) {
        let marks = Marks::read(SCRIPT);
        let tids = self.target.ready["tids"].as_array().expect("it says so");
        assert!(timeline.stacks().count() > 0);
        for thread in &timeline.threads {
            assert_eq!(u64::from(thread.pid), self.pid);
            assert!(tids.iter().any(|tid| *tid == thread.tid), "{thread:?}");
            for row in thread.stacks() {
                marks.check(row, Frame::is_library).expect("a known chain");
            }
        }
        assert_eq!(timeline.count("task_fault"), 0);
    }
}

/// Starts a script of the tests in a container.
fn start_in(container: &Container, machine: &Machine, script: &str, arguments: &[&str]) -> Target {
    let directory = crate::support::target::scripts();
    let inner = command(&directory, machine.interpreter(), script, arguments);
    let mut outer = container.enter();
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            outer.env(name, value);
        }
    }
    Target::spawn(&mut outer)
}

#[test]
#[ignore = "needs root and BPF"]
fn samples_what_runs_by_its_own_numbers() {
    let machine = machine();
    let own = Own::start(machine, SCRIPT, &[]);
    let finished = own.record(machine, &["--hz", "1000"], None);
    own.assert_known(&finished.timeline().expect("it is sampled"));
    let says = "a pid namespace of its own";
    assert!(finished.errors.contains(says), "{}", finished.errors);
}

#[test]
#[ignore = "needs root and BPF"]
fn samples_what_waits_by_its_own_numbers() {
    let machine = machine();
    let own = Own::start(machine, SCRIPT, &[]);
    for (scans, from_user_space) in [(None, 0), (Some("user"), 1)] {
        let finished = own.record(machine, &["--mode", "wall", "--hz", "100"], scans);
        let timeline = finished.timeline();
        let timeline = timeline.expect("it is sampled");
        own.assert_known(&timeline);
        let sleeper = named(&timeline, "sleeper").expect("it waits")[0];
        let sleeping = share(&seconds(sleeper), "sleeping");
        assert!(sleeping > 0.95, "{scans:?}: {sleeping}");
        // On a kernel without the iterator, all scans come from user space.
        if timeline.count("passes_from_user_space") != from_user_space {
            assert!(scans.is_none(), "{scans:?}");
        }
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn follows_what_starts_in_it_and_nothing_else() {
    let machine = machine();
    let own = Own::start(machine, SCRIPT, &[]);
    let outside = Target::start::<&str>(machine.interpreter(), SCRIPT, &[]);
    for (mode, hz) in [("cpu", "1000"), ("wall", "100")] {
        let arguments = ["--mode", mode, "--hz", hz];
        let mut recording = own.begin(machine, &arguments, None);
        recording.wait_until_it_samples();
        let mut later = Vec::new();
        for way in ["fork", "program"] {
            let mut parent = start_in(&own.container, machine, "children.py", &[way]);
            parent.say("go");
            loop {
                let line = parent.next_line();
                let Some(pid) = line["pid"].as_u64() else {
                    break;
                };
                later.push((way, pid));
            }
            assert!(parent.wait());
        }
        let late_outside = Target::start::<&str>(machine.interpreter(), SCRIPT, &[]);
        recording.interrupt_inner();
        let timeline = recording.finish().timeline().expect("it is sampled");
        let is_seen = |pid: u64| {
            let mut rows = timeline
                .threads
                .iter()
                .filter(|it| u64::from(it.pid) == pid)
                .flat_map(|it| it.stacks());
            rows.any(|row| row.frames.iter().any(|it| it.short_name() == "in_worker"))
        };
        assert_eq!(later.len(), 5);
        for (way, pid) in later {
            assert!(is_seen(pid), "{mode}, {way}: {pid} is missing");
        }
        let own_pid = u32::try_from(own.pid).expect("pids are small");
        assert!(timeline.of_process(own_pid).next().is_some());
        for other in [outside.pid(), late_outside.pid()] {
            assert!(timeline.of_process(other).next().is_none(), "{other}");
        }
        assert_eq!(timeline.count("unknown_frames"), 0);
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn starts_a_command_in_it() {
    let machine = machine();
    let own = Own::start(machine, SCRIPT, &[]);
    let python = machine.interpreter().path.to_str().expect("UTF-8");
    let busy = "import time\nend = time.monotonic() + 0.3\nwhile time.monotonic() < end: pass";
    let arguments = ["--hz", "1000", "--", python, "-c", busy];
    let finished = own.begin(machine, &arguments, None).finish();
    let timeline = finished.timeline().expect("it is sampled");
    assert_eq!(timeline.threads.len(), 1);
    assert_ne!(u64::from(timeline.threads[0].pid), own.pid);
}

#[test]
#[ignore = "needs root and BPF"]
fn dumps_and_lists_by_its_own_numbers() {
    let machine = machine();
    let own = Own::start(machine, SCRIPT, &[]);
    let pid = own.pid.to_string();
    let mut command = own.pyebpf(machine, &["dump", "--json", "--pid", &pid]);
    let dump = json_of(&mut command).expect("it is dumped");
    assert_eq!(dump["problems"], serde_json::json!([]), "{dump}");
    let threads = dump["threads"].as_array().expect("threads");
    assert_eq!(threads.len(), 2);
    for thread in threads {
        // The one that runs is sampled on its CPU, where the kernel says who it is.
        assert_eq!(thread["stack"], "whole", "{thread}");
        assert_eq!(thread["tid"], thread["namespace_tid"]);
    }
    let list = json_of(&mut own.pyebpf(machine, &["ps", "--json"])).expect("a list");
    let list = list["processes"].as_array().expect("a list");
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(
        (&list[0]["pid"], &list[0]["problem"]),
        (&own.pid.into(), &().into())
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn says_what_it_cannot_see() {
    let machine = machine();
    let own = Own::start(machine, SCRIPT, &[]);
    let doctor = text_of(&mut own.pyebpf(machine, &["doctor"])).expect("it works");
    let line = doctor.lines().find(|line| line.contains("pid-namespace"));
    let line = line.expect("a check");
    let says = "only processes of this container are visible";
    assert!(line.starts_with("limited") && line.contains(says), "{line}");
    // A pid namespace of its own, but the host's /proc.
    for arguments in [&["ps"][..], &["dump", "--pid", "1"], &["--pid", "1"]] {
        let foreign = Command::new("unshare")
            .args(["--pid", "--fork"])
            .arg(&machine.pyebpf)
            .args(arguments)
            .output()
            .expect("util-linux is everywhere");
        let said = String::from_utf8_lossy(&foreign.stderr);
        assert_eq!(foreign.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains("another pid namespace"), "{said}");
    }
}
