// SPDX-License-Identifier: MIT OR Apache-2.0

//! Implementations of Python other than CPython are named as what they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::machine::{Machine, machine};
use crate::support::programs::copy_program;
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, program_command};

/// Where Debian's package installs it.
const PYPY: &str = "/usr/bin/pypy3";

#[test]
#[ignore = "needs root and BPF"]
fn pypy_is_named() {
    let machine = machine();
    let is_there = Path::new(PYPY).exists();
    assert!(is_there, "there is no {PYPY}: install pypy3");
    let mut command = program_command(Path::new(PYPY));
    command.args([
        "-c",
        "import sys; print('{}', flush=True); sys.stdin.read()",
    ]);
    let target = Target::run(command);
    check(machine, &target, "PyPy");
    // It does not keep the rest from being recorded.
    let pid = target.pid().to_string();
    let other = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let arguments = ["--pid", &pid, "--pid", &other.pid().to_string()];
    let arguments = [&arguments[..], &["--hz", "500", "-d", "500ms"]].concat();
    let finished = Recording::start(machine, &arguments).finish();
    let timeline = finished.timeline().expect("one of them can be sampled");
    assert!(timeline.of_process(other.pid()).count() == 1);
    assert!(
        finished.errors.contains("PyPy, not CPython"),
        "{}",
        finished.errors
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn others_are_told_by_their_programs() {
    let machine = machine();
    for (program, name) in [
        ("micropython", "MicroPython"),
        ("rustpython", "RustPython"),
        ("graalpy", "GraalPy"),
    ] {
        let directory = Scratch::new();
        let path = copy_of_cat(directory.path(), program);
        let mut target = Target::run_silent(&mut program_command(&path));
        check(machine, &target, name);
        target.kill();
    }
}

/// Makes a program that does nothing, under another name.
fn copy_of_cat(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    copy_program(Path::new("/bin/cat"), &path);
    path
}

/// Checks that `ps` lists it with its name, and that it is not recorded, for that reason.
fn check(machine: &Machine, target: &Target, name: &str) {
    let output = Command::new(&machine.pyebpf)
        .args(["ps", "--json"])
        .output();
    let listing: Value =
        serde_json::from_slice(&output.expect("it ran before").stdout).expect("a document");
    let mut processes = listing["processes"].as_array().into_iter().flatten();
    let listed = processes.find(|it| it["pid"] == target.pid());
    let problem = listed.map_or(&Value::Null, |it| &it["problem"]);
    let reason = format!("runs {name}, not CPython");
    let is_named = problem.as_str().is_some_and(|it| it.contains(&reason));
    assert!(is_named, "{name}: {listed:?}");
    let pid = target.pid().to_string();
    let finished = Recording::start(machine, &["--pid", &pid]).finish();
    assert_eq!(finished.status.code(), Some(4), "{}", finished.errors);
    assert!(finished.errors.contains(&reason), "{}", finished.errors);
}
