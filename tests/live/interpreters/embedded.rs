// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that embed Python: in a shared library or as a part of their own file, from
//! the start or long after it.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::known_chain::check_known_chain;
use crate::support::machine::{Machine, machine, name, tried, version};
use crate::support::marks::Marks;
use crate::support::not_run::not_run;
use crate::support::programs::{Development, NO_HEADERS, program};
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, program_command, scripts};
use crate::support::timeline::Timeline;

const SCRIPT: &str = "known_chain.py";
const LATE: &str = "embed.c";

/// Seconds after which pyebpf no longer looks at a new program closely.
const LONG: &str = "3";

#[test]
#[ignore = "needs root and BPF"]
fn shows_python_in_a_shared_library() {
    with_some(
        usize::MAX,
        "shared library",
        |machine, directory, development| {
            let Some(library) = development.shared() else {
                return Ok("not run: it has none".to_owned());
            };
            let program = directory.path().join("embed");
            development.link_shared(&library, LATE, &program, None);
            check_both(machine, &program, development)
        },
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_python_in_a_tree_that_can_be_moved() {
    with_some(2, "tree", |machine, directory, development| {
        let Some(library) = development.shared() else {
            return Ok("not run: it has no shared library".to_owned());
        };
        let built = directory.path().join("built");
        for part in ["bin", "lib"] {
            fs::create_dir_all(built.join(part)).expect("our directory");
        }
        let place = Some("$ORIGIN/../lib");
        development.link_shared(&library, LATE, &built.join("bin/python3"), place);
        let name = library.file_name().expect("a file");
        fs::copy(&library, built.join("lib").join(name)).expect("our directory");
        let moved = directory.path().join("moved");
        fs::rename(built, &moved).expect("our directory");
        check_both(machine, &moved.join("bin/python3"), development)
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn shows_python_that_is_part_of_a_program() {
    with_some(
        usize::MAX,
        "static library",
        |machine, directory, development| {
            let mut said = Vec::new();
            for (kind, options) in [
                ("plain", &["-pie"][..]),
                ("fixed address", &["-no-pie"]),
                ("exporting", &["-pie", "-rdynamic"]),
                ("stripped", &["-no-pie", "-s"]),
            ] {
                if kind == "stripped" && development.minor < 10 {
                    // Nothing in such a file shows that it contains Python.
                    continue;
                }
                let Some(archive) = development.archive(options[0] == "-pie") else {
                    return Ok("not run: it has none".to_owned());
                };
                let program = directory.path().join(kind.replace(' ', "_"));
                development.link_static(&archive, LATE, &program, options);
                let result = check_both(machine, &program, development);
                said.push(result.map_err(|error| format!("{kind}: {error}"))?);
            }
            Ok(said.join(", "))
        },
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn finds_python_that_a_process_long_followed_loads() {
    // Each interpreter costs [`LONG`] seconds, and how Python is found is the same for
    // all.
    with_some(2, "late library", |machine, directory, development| {
        let Some(library) = development.shared() else {
            return Ok("not run: it has none".to_owned());
        };
        let marks = Marks::read(SCRIPT);
        let program = program(directory, "late_library.c");
        // First, a process that was there before the whole host is recorded.
        let mut command = command(&program, development);
        command.arg(&library).arg(scripts().join(SCRIPT));
        let mut target = Target::run(command);
        let mut recording = Recording::start(machine, &["--hz", "500"]);
        recording.wait_until_it_samples();
        target.say("go");
        target.next_line();
        let pid = target.pid();
        recording.wait_until_it_shows(|timeline| {
            timeline.of_process(pid).flat_map(|it| &it.rows).count() > 50
        });
        recording.signal(Signal::SIGINT);
        let timeline = only(recording.finish().timeline()?, pid);
        let of_host = check_known_chain(&timeline, pid, &marks)?;
        drop(target);
        // Then a command, which loads Python when the first looks at it are over.
        let mut arguments: Vec<PathBuf> = vec!["--hz".into(), "500".into(), "--".into()];
        arguments.extend(["env".into(), home(development).into(), program]);
        arguments.extend([library, scripts().join(SCRIPT), LONG.into()]);
        let mut recording = Recording::start(machine, &arguments);
        let pid = Cell::new(0);
        recording.wait_until_it_shows(|timeline| {
            pid.set(timeline.threads.first().map_or(0, |thread| thread.pid));
            timeline.stacks().count() > 50
        });
        // The command continues without pyebpf, and shares its standard error.
        recording.signal(Signal::SIGINT);
        recording.wait_for_line("written:");
        let pid = pid.get();
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("it goes on");
        let timeline = only(recording.finish().timeline()?, pid);
        let of_command = check_known_chain(&timeline, pid, &marks)?;
        Ok(format!(
            "{of_host} on a whole host, {of_command} of a command"
        ))
    });
}

/// Runs `test` with the newest interpreters that this host can build programs for,
/// `most` of them at most.
fn with_some(
    most: usize,
    title: &str,
    test: impl Fn(&'static Machine, &Scratch, &Development) -> Result<String, String>,
) {
    let machine = machine();
    let mut built = 0;
    let mut failed = Vec::new();
    // The newest first.
    for interpreter in machine.interpreters.iter().rev() {
        let Some(development) = Development::of(interpreter) else {
            not_run(&version(interpreter), NO_HEADERS);
            continue;
        };
        if built == most {
            break;
        }
        built += 1;
        match test(machine, &Scratch::new(), &development) {
            Ok(said) => tried(title, interpreter, &said),
            Err(error) => failed.push(format!("{}: {error}", name(interpreter))),
        }
    }
    assert!(failed.is_empty(), "{title}:\n{}", failed.join("\n"));
    assert!(
        built > 0,
        "no interpreter with headers: install python3-dev"
    );
}

/// Records a program whose interpreter runs, and then one that starts it later.
fn check_both(
    machine: &Machine,
    program: &Path,
    development: &Development,
) -> Result<String, String> {
    let marks = Marks::read(SCRIPT);
    let mut running = command(program, development);
    running.arg(scripts().join(SCRIPT));
    let target = Target::run(running);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "500", "--pid", &pid]);
    recording.wait_until_it_shows(|timeline| timeline.stacks().count() > 50);
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline()?;
    let at_once = check_known_chain(&timeline, target.pid(), &marks)?;
    drop(target);
    let mut waiting = command(program, development);
    waiting.arg(scripts().join(SCRIPT)).arg("late");
    let mut target = Target::run(waiting);
    let pid = target.pid().to_string();
    let mut recording = Recording::start(machine, &["--hz", "500", "--pid", &pid]);
    recording.wait_until_it_samples();
    target.say("go");
    target.next_line();
    recording.wait_until_it_shows(|timeline| {
        let in_chain = |row: &&crate::support::timeline::Row| row.frames.len() == 4;
        timeline.stacks().filter(in_chain).count() > 50
    });
    recording.signal(Signal::SIGINT);
    let mut timeline = recording.finish().timeline()?;
    // The interpreter runs code of the standard library when it starts.
    for thread in &mut timeline.threads {
        thread
            .rows
            .retain(|row| row.frames.iter().any(|frame| frame.function == "h"));
    }
    let late = check_known_chain(&timeline, target.pid(), &marks)?;
    Ok(format!("{at_once}, started late {late}"))
}

fn only(mut timeline: Timeline, pid: u32) -> Timeline {
    timeline.threads.retain(|thread| thread.pid == pid);
    for thread in &mut timeline.threads {
        thread
            .rows
            .retain(|row| row.frames.iter().any(|frame| frame.function == "h"));
    }
    timeline
}

fn command(program: &Path, development: &Development) -> Command {
    let mut command = program_command(program);
    command.env("PYTHONHOME", &development.home);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn home(development: &Development) -> String {
    format!("PYTHONHOME={}", development.home.display())
}
