// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the output of a recording and of its command goes, and who owns it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use crate::support::machine::{Machine, machine};
use crate::support::recording::{Finished, Recording, TIMELINE};
use crate::support::scratch::Scratch;
use crate::support::target::Target;
use crate::support::timeline::Timeline;

/// An account that every Linux has, and that has no privileges.
const NOBODY: u32 = 65534;

/// Uses 0.3 s of CPU time, however long that takes; the caller adds how it ends.
const COMMAND: &str = "import os, sys, time\n\
    end = time.process_time() + 0.3\n\
    print('from the command', flush=True)\n\
    while time.process_time() < end: pass\n";

fn run_command(machine: &Machine, last_line: &str) -> Finished {
    let python = machine.interpreter().path.to_str().expect("UTF-8");
    let text = format!("{COMMAND}{last_line}");
    let arguments = ["--hz", "500", "--", python, "-c", &text];
    Recording::start(machine, &arguments).finish()
}

#[test]
#[ignore = "needs root and BPF"]
fn a_commands_status_and_output_are_passed_on() {
    let machine = machine();
    for (last_line, status) in [
        ("", 0),
        ("sys.exit(7)", 7),
        ("os.kill(os.getpid(), 9)", 128 + 9),
    ] {
        let finished = run_command(machine, last_line);
        assert_eq!(finished.status.code(), Some(status), "{}", finished.errors);
        assert_eq!(finished.output, b"from the command\n");
        let text = fs::read_to_string(finished.path(TIMELINE)).expect("it was busy");
        let timeline = Timeline::parse(&text).expect("a whole file");
        // At 500 Hz these are 150.
        assert!(timeline.count("shown") > 100, "{:?}", timeline.counts);
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_command_that_is_not_there_is_127() {
    let machine = machine();
    let recording = Recording::start(machine, &["--", "there-is-no-such-program"]);
    let finished = recording.finish();
    assert_eq!(finished.status.code(), Some(127), "{}", finished.errors);
    assert!(finished.errors.contains("there-is-no-such-program"));
    assert!(finished.directory.names().is_empty());
}

#[test]
#[ignore = "needs root and BPF"]
fn standard_output_gets_the_timeline_alone() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let arguments = [
        "--hz", "200", "--pid", &pid, "-d", "0.5", "-o", "-", "-f", "json",
    ];
    let finished = Recording::start_plain(machine, &arguments).finish();
    assert!(finished.status.success(), "{}", finished.errors);
    let text = String::from_utf8(finished.output).expect("ASCII");
    Timeline::parse(&text).expect("a whole file");
    assert!(finished.directory.names().is_empty());
}

#[test]
#[ignore = "needs root and BPF"]
fn files_belong_to_the_caller_of_sudo_alone() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("as root");
    let mut command = Command::new(&machine.pyebpf);
    command.env("SUDO_UID", NOBODY.to_string());
    command.env("SUDO_GID", NOBODY.to_string());
    command.args(["-p", &target.pid().to_string(), "--hz", "200", "-d", "0.5"]);
    command.args(["-o", TIMELINE, "-o", "trace.pyebpf"]);
    let finished = Recording::spawn(command, directory).finish();
    assert!(finished.status.success(), "{}", finished.errors);
    assert_eq!(finished.directory.names(), [TIMELINE, "trace.pyebpf"]);
    for name in finished.directory.names() {
        let metadata = fs::metadata(finished.path(&name)).expect("it is there");
        let found = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
        assert_eq!(found, (NOBODY, NOBODY, 0o600), "{name}");
    }
}

/// The files that a recording writes, each with bytes that only its format begins with.
/// All contain `known_chain.py`, except those that are compressed.
const FORMATS: [(&str, &[u8]); 9] = [
    ("a.pyebpf", b"\x89pyebpf\n"),
    ("a.json", b"[\n["),
    ("a.json.gz", b"\x1f\x8b"),
    ("a.speedscope.json", b"{\"$schema\""),
    ("a.firefox.json", b"{\"meta\""),
    ("a.chrome.json", b"{\"traceEvents\""),
    ("a.folded", b"process "),
    ("a.svg", b"<?xml"),
    ("a.pb.gz", b"\x1f\x8b"),
];

#[test]
#[ignore = "needs root and BPF"]
fn a_recording_writes_every_format_at_once() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let mut arguments = vec!["--hz", "200", "--pid", &pid, "-d", "0.5"];
    for (name, _) in FORMATS {
        arguments.extend(["-o", name]);
    }
    let finished = Recording::start_plain(machine, &arguments).finish();
    assert!(finished.status.success(), "{}", finished.errors);
    for (name, mark) in FORMATS {
        let bytes = fs::read(finished.path(name)).expect("it was asked for");
        assert!(bytes.starts_with(mark), "{name}: {:?}", bytes.get(..16));
        if !name.ends_with("gz") {
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                name == "a.pyebpf" || text.contains("known_chain.py"),
                "{name}"
            );
        }
    }
    let report = Command::new(&machine.pyebpf)
        .arg("report")
        .arg(finished.path("a.pyebpf"))
        .output()
        .expect("it starts");
    let report = String::from_utf8(report.stdout).expect("UTF-8");
    let own = report.split("Most time of their own").nth(1);
    let first = own.and_then(|own| own.lines().nth(2));
    assert!(first.is_some_and(|line| line.contains("  h (")), "{report}");
}
