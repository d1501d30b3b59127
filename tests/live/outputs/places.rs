// SPDX-License-Identifier: MIT OR Apache-2.0

//! Outputs that are not files to be created, and limits on those that are.

use std::fs;
use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::machine::{Machine, machine};
use crate::support::scratch::Scratch;
use crate::support::target::Target;

/// Records `target` for half a second: runs `line` in a shell in `directory`, where
/// `$record` is the command without its outputs.
fn shell(machine: &Machine, target: &Target, directory: &Scratch, line: &str) -> Output {
    let record = format!(
        "{} --hz 200 --max-cpu off -q -d 0.5 -p {}",
        machine.pyebpf.display(),
        target.pid()
    );
    Command::new("bash")
        .args(["-c", line])
        .env("record", record)
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell")
}

fn target(machine: &Machine) -> Target {
    Target::start::<&str>(machine.interpreter(), "known_chain.py", &[])
}

#[test]
#[ignore = "needs root and BPF"]
fn descriptors_are_written_to_and_nothing_is_left_beside_them() {
    let machine = machine();
    let target = target(machine);
    for line in [
        "$record -f folded -o /dev/stdout",
        "$record -f folded -o /dev/stderr 2>&1 >/dev/null",
        "$record -f folded -o /dev/fd/1",
        "$record -f folded -o /proc/self/fd/1",
        "$record -f folded -o /dev/fd/7 7>&1",
        "$record -f folded -o >(cat) | cat",
        "$record -f folded -o /dev/fd/7 7>file; cat file; rm file",
        "printf 'before\n' >file; $record -f folded -o /dev/fd/7 7>>file; cat file; rm file",
        "$record -f folded -o /dev/null -o -",
    ] {
        let directory = Scratch::new();
        let output = shell(machine, &target, &directory, line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
        let text = String::from_utf8_lossy(&output.stdout);
        // What was in the file before stays in front.
        let rows = text.strip_prefix("before\n");
        assert_eq!(rows.is_some(), line.contains("before"), "{line}: {text:?}");
        let rows = rows.unwrap_or(&text);
        assert!(rows.starts_with("process "), "{line}: {text:?} {said}");
        assert!(
            directory.names().is_empty(),
            "{line}: {:?}",
            directory.names()
        );
    }
    for name in ["stdout", "stderr", "null"] {
        let left = fs::metadata(format!("/dev/{name}.pyebpf"));
        assert!(left.is_err(), "{name}");
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_named_pipe_gets_the_output() {
    let machine = machine();
    let target = target(machine);
    let directory = Scratch::new();
    let path = directory.path().join("pipe.folded");
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("our directory");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let mut pipe = fs::File::open(path).expect("it is there");
        pipe.read_to_string(&mut text).expect("text");
        text
    });
    let output = shell(machine, &target, &directory, "$record -o pipe.folded");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = reader.join().expect("it ends");
    assert!(text.starts_with("process "), "{text:?}");
    assert_eq!(directory.names(), ["pipe.folded"]);
}

/// An output that cannot be written is refused before anything is recorded.
#[test]
#[ignore = "needs root and BPF"]
fn what_cannot_be_written_is_refused_at_once() {
    let machine = machine();
    let target = target(machine);
    let long = "n".repeat(249);
    for (arguments, reason) in [
        ("-o pipe.folded".to_owned(), "has no reader"),
        ("-f folded -o /dev/fd/9".to_owned(), "not open"),
        (
            "-f folded -o /dev/fd/8 8</dev/null".to_owned(),
            "reading only",
        ),
        ("-f folded -o /dev/urandom".to_owned(), "a device"),
        (
            "-o fine.json -o nowhere/x.folded".to_owned(),
            "does not exist",
        ),
        (format!("-o fine.json -o {long}.folded"), "too long"),
        (
            "--split thread -f folded -o /dev/null".to_owned(),
            "--split",
        ),
        ("-f folded -o - -o /dev/stdout".to_owned(), "already"),
    ] {
        let directory = Scratch::new();
        let pipe = directory.path().join("pipe.folded");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).expect("our directory");
        // A duration that is not waited for, even on a very busy machine.
        let line = format!("timeout 300 ${{record/-d 0.5/-d 600s}} {arguments}");
        let output = shell(machine, &target, &directory, &line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{arguments}: {said}"
        );
        assert!(said.contains(reason), "{arguments}: {said}");
        assert_eq!(directory.names(), ["pipe.folded"], "{arguments}");
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_name_may_be_as_long_as_names_may_be() {
    let machine = machine();
    let target = target(machine);
    let directory = Scratch::new();
    let name = format!("{}.folded", "n".repeat(248));
    let output = shell(machine, &target, &directory, &format!("$record -o {name}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(directory.names(), [name.as_str()]);
    let output = shell(
        machine,
        &target,
        &directory,
        &format!("$record --split thread -o {name}"),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(directory.names().iter().all(|it| it.len() <= 255));
    assert!(directory.names().len() > 1);
}

/// The kernel's signal for this (SIGXFSZ) would kill pyebpf, which blocks it; a command
/// of pyebpf's gets it as usual.
#[test]
#[ignore = "needs root and BPF"]
fn a_limit_on_the_size_of_files_is_an_error() {
    let machine = machine();
    let target = target(machine);
    for output in ["u.json", "u.pyebpf"] {
        let directory = Scratch::new();
        let line = format!("ulimit -f 1; $record -o {output}");
        let output = shell(machine, &target, &directory, &line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("ulimit -f"), "{said}");
    }
    let python = machine.interpreter().path.display().to_string();
    let line = format!(
        "${{record%% *}} -q -o - -f folded -- {python} -c 'import os, signal, time\n\
         end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n\
         print(signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)'"
    );
    let output = shell(machine, &target, &Scratch::new(), &line);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("set()"), "{text}");
}
