// SPDX-License-Identifier: MIT OR Apache-2.0

//! `--cgroup` and `--name`: which processes of the host are recorded, including those
//! that start later.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::container::{Cgroup, children};
use crate::support::machine::{Machine, machine};
use crate::support::output::json_of;
use crate::support::recording::{Recording, until_busy};
use crate::support::scratch::Scratch;
use crate::support::target::{Target, command, scripts};
use crate::support::timeline::Timeline;

const BUSY: Duration = Duration::from_millis(200);

/// Starts a busy script, in this cgroup or in the test's own.
fn start(machine: &Machine, script: &str, cgroup: Option<&Cgroup>) -> Target {
    let inner = command::<&str>(&scripts(), machine.interpreter(), script, &[]);
    let Some(cgroup) = cgroup else {
        return Target::start::<&str>(machine.interpreter(), script, &[]);
    };
    let mut outer = cgroup.enter();
    outer.arg(inner.get_program()).args(inner.get_args());
    Target::spawn(&mut outer)
}

/// Records with `choice`. One target inside it and one outside it run before, and one
/// more of each starts later.
fn assert_chosen(
    machine: &Machine,
    choice: &[&str],
    start: impl Fn(bool) -> Target,
) -> (Timeline, String) {
    let before = [start(true), start(false)];
    let arguments = [&["--hz", "1000"], choice].concat();
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    let later = [start(true), start(false)];
    for target in before.iter().chain(&later) {
        until_busy(target.pid(), BUSY);
    }
    recording.signal(Signal::SIGINT);
    let finished = recording.finish();
    let timeline = finished.timeline().expect("two of them were busy");
    for [inside, outside] in [&before, &later] {
        let is_seen = |it: &Target| timeline.of_process(it.pid()).next().is_some();
        assert!(is_seen(inside), "{choice:?} leaves one out");
        assert!(!is_seen(outside), "{choice:?} has one too many");
    }
    (timeline, finished.errors)
}

#[test]
#[ignore = "needs root and BPF"]
fn a_cgroup_chooses_what_runs_in_it() {
    let machine = machine();
    let cgroup = Cgroup::make("web.service/workers");
    let above = cgroup.path.strip_suffix("/workers").expect("it was made");
    let directory = cgroup.directory.to_str().expect("UTF-8");
    for given in [cgroup.path.as_str(), above, directory, "web.service"] {
        assert_chosen(machine, &["--cgroup", given], |inside| {
            start(machine, "inside.py", inside.then_some(&cgroup))
        });
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_name_chooses_by_the_script() {
    let machine = machine();
    for pattern in ["^inside[.]py$", "scripts/inside"] {
        assert_chosen(machine, &["--name", pattern], |inside| {
            let script = if inside {
                "inside.py"
            } else {
                "known_chain.py"
            };
            start(machine, script, None)
        });
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn both_conditions_must_hold() {
    let machine = machine();
    let cgroup = Cgroup::make("both");
    let elsewhere = start(machine, "inside.py", None);
    let choice = ["--cgroup", &cgroup.path, "--name", "inside"];
    let (timeline, _) = assert_chosen(machine, &choice, |inside| {
        let script = if inside {
            "inside.py"
        } else {
            "known_chain.py"
        };
        start(machine, script, Some(&cgroup))
    });
    assert!(timeline.of_process(elsewhere.pid()).next().is_none());
}

/// Whatever a chosen process becomes or starts is recorded, under any name.
#[test]
#[ignore = "needs root and BPF"]
fn kin_of_the_chosen_are_recorded() {
    let machine = machine();
    let script = scripts().join("known_chain.py");
    let python = machine.interpreter().path.clone();
    // The target becomes a shell, which is not Python; the Python that it starts is
    // still its child.
    let shell = format!("{} {}; exit 0", python.display(), script.display());
    let arguments = ["/bin/sh", "-c", &shell];
    let mut target = Target::start(machine.interpreter(), "changes_program.py", &arguments);
    let choice = ["--hz", "1000", "--name", "^changes_program"];
    let mut recording = Recording::start(machine, &choice);
    recording.wait_until_it_samples();
    target.say("go");
    // The script of the chain reports that it is ready.
    target.next_line();
    let child = children(target.pid())[0];
    until_busy(child, BUSY);
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline();
    kill(child);
    let timeline = timeline.expect("both were busy");
    assert!(timeline.of_process(target.pid()).next().is_some());
    let mut of_child = timeline.of_process(child).flat_map(|it| it.stacks());
    assert!(of_child.any(|row| row.frames.iter().any(|it| it.function == "h")));
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("pids are small"));
    nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it runs for ever");
}

#[test]
#[ignore = "needs root and BPF"]
fn ps_lists_the_chosen() {
    let machine = machine();
    let cgroup = Cgroup::make("listed");
    let inside = start(machine, "inside.py", Some(&cgroup));
    let other = start(machine, "known_chain.py", Some(&cgroup));
    let outside = start(machine, "inside.py", None);
    let pids = |choice: &[&str]| {
        let mut command = Command::new(&machine.pyebpf);
        let list = json_of(command.args(["ps", "--json"]).args(choice)).expect("a list");
        let list = list["processes"].as_array().expect("a list").clone();
        let pids = list.iter().filter_map(|it| it["pid"].as_u64());
        pids.map(|pid| u32::try_from(pid).expect("pids are small"))
            .collect::<Vec<_>>()
    };
    let mut both = [inside.pid(), other.pid()];
    both.sort_unstable();
    assert_eq!(pids(&["--cgroup", &cgroup.path]), both);
    let one = pids(&["--cgroup", &cgroup.path, "--name", "^inside"]);
    assert_eq!(one, [inside.pid()]);
    let named = pids(&["--name", "^inside"]);
    assert!(named.contains(&outside.pid()) && !named.contains(&other.pid()));
}

#[test]
#[ignore = "needs root and BPF"]
fn nothing_chosen_is_waited_for() {
    let machine = machine();
    let choice = ["--name", "^nobody has this name$", "-d", "300ms"];
    let finished = Recording::start(machine, &choice).finish();
    assert_eq!(finished.status.code(), Some(4), "{}", finished.errors);
    for said in ["waiting for one", "no sample", "nobody has this name"] {
        assert!(finished.errors.contains(said), "{}", finished.errors);
    }
    assert!(finished.directory.names().is_empty());
}

#[test]
#[ignore = "needs root and BPF"]
fn what_cannot_be_chosen_is_refused() {
    let machine = machine();
    for (arguments, status, said) in [
        (&["--cgroup", "/no/such/cgroup"][..], 4, "/no/such/cgroup"),
        (&["--cgroup", "no-such.service"], 4, "no-such.service"),
        (&["--name", "("], 2, "regular expression"),
        (&["--name", ""], 2, "--name"),
        (&["--name", "x", "--pid", "1"], 2, "--pid"),
        (&["--cgroup", "/", "--", "true"], 2, "a command"),
    ] {
        let finished = Recording::start(machine, arguments).finish();
        let code = finished.status.code();
        assert_eq!(code, Some(status), "{arguments:?}: {}", finished.errors);
        assert!(finished.errors.contains(said), "{}", finished.errors);
    }
    let directory = Scratch::new();
    fs::write(directory.path().join("cgroup.procs"), "").expect("it is ours");
    let path = directory.path().to_str().expect("UTF-8");
    let finished = Recording::start(machine, &["--cgroup", path]).finish();
    assert_eq!(finished.status.code(), Some(4), "{}", finished.errors);
}
