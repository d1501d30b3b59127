// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sampling with a few capabilities instead of root, and which of them are left once it
//! runs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::dumped::Dumped;
use crate::support::machine::{Machine, machine};
use crate::support::marks::{Marks, names};
use crate::support::ordinary::{ORDINARY, open_directory, public, public_program};
use crate::support::recording::{Finished, Recording, TIMELINE, until_busy};
use crate::support::scratch::Scratch;
use crate::support::target::Target;
use crate::support::timeline::Timeline;
use crate::support::wall::named;

/// The capabilities that are needed, as `setcap` and `setpriv` write them.
const NEEDED: [&str; 4] = ["bpf", "perfmon", "sys_ptrace", "dac_read_search"];

/// Bits of `include/uapi/linux/capability.h`.
const DAC_READ_SEARCH: u64 = 1 << 2;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SYS_PTRACE: u64 = 1 << 19;
const PERFMON: u64 = 1 << 38;
const CHECKPOINT_RESTORE: u64 = 1 << 40;

/// The capabilities that any thread of a recording may still have.
const LEFT: u64 = DAC_READ_SEARCH | SETGID | SETUID | SYS_PTRACE | PERFMON | CHECKPOINT_RESTORE;

/// CPU time that is enough for some samples.
const BUSY: Duration = Duration::from_millis(300);

/// How an ordinary user gets capabilities.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The program's file has them.
    File,
    /// They are passed on as ambient ones, as by a service manager.
    Ambient,
}

const WAYS: [Way; 2] = [Way::File, Way::Ambient];

/// Runs pyebpf as an ordinary user with these capabilities and no others.
fn with_capabilities(
    machine: &Machine,
    way: Way,
    capabilities: &[&str],
    arguments: &[&str],
) -> Finished {
    let (_directory, program) = public_program(machine);
    let joined = |prefix: &str| {
        let all = capabilities.iter().map(|it| format!("{prefix}{it}"));
        all.collect::<Vec<_>>().join(",")
    };
    let user = ORDINARY.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    match way {
        Way::File => {
            let set = format!("{}+ep", joined("cap_"));
            let mut setcap = Command::new("setcap");
            setcap.arg(set).arg(&program);
            assert!(setcap.status().expect("it is installed").success());
        }
        Way::Ambient => {
            let only = format!("-all,{}", joined("+"));
            command.args(["--inh-caps", &only, "--ambient-caps", &only]);
        }
    }
    command.arg(&program).args(arguments);
    let output = Scratch::new();
    std::os::unix::fs::chown(output.path(), Some(ORDINARY), Some(ORDINARY)).expect("root may");
    Recording::spawn(command, output).finish()
}

/// Seconds of a recording that are enough on a machine that does much else.
const LONG_ENOUGH: &str = "3";

#[test]
#[ignore = "needs root and BPF"]
fn four_capabilities_are_enough_to_record() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let marks = Marks::read("known_chain.py");
    for way in WAYS {
        let arguments = [
            "--hz",
            "500",
            "-d",
            LONG_ENOUGH,
            "--pid",
            &pid,
            "-o",
            TIMELINE,
        ];
        let finished = with_capabilities(machine, way, &NEEDED, &arguments);
        let timeline = finished.timeline().expect("it is sampled");
        let rows: Vec<_> = timeline.stacks().collect();
        assert!(!rows.is_empty() && timeline.count("shown") > 50, "{way:?}");
        for row in rows {
            assert_eq!(names(row), ["<module>", "f", "g", "h"], "{way:?}");
            marks.check(row, |_| false).expect("with lines and sources");
        }
        let file = fs::metadata(finished.path(TIMELINE)).expect("it was written");
        assert_eq!(file.uid(), ORDINARY, "{way:?}");
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn four_capabilities_are_enough_for_what_waits() {
    let machine = machine();
    let target = Target::start(machine.interpreter(), "waiting.py", &["quiet"]);
    let pid = target.pid().to_string();
    for scans in ["kernel", "user"] {
        let (_directory, program) = public_program(machine);
        let set = NEEDED.map(|it| format!("cap_{it}")).join(",") + "+ep";
        let mut setcap = Command::new("setcap");
        setcap.arg(set).arg(&program);
        assert!(setcap.status().expect("it is installed").success());
        let user = ORDINARY.to_string();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
            .arg(&program)
            .args([
                "--mode",
                "wall",
                "--hz",
                "100",
                "-d",
                LONG_ENOUGH,
                "--pid",
                &pid,
            ])
            .args(["-o", TIMELINE])
            .env("PYEBPF_PASSES", scans);
        let output = Scratch::new();
        std::os::unix::fs::chown(output.path(), Some(ORDINARY), Some(ORDINARY)).expect("root may");
        let finished = Recording::spawn(command, output).finish();
        let timeline = finished.timeline().expect("it is sampled");
        for name in ["sleeping", "locked", "receiving"] {
            named(&timeline, name).unwrap_or_else(|error| panic!("{scans}: {error}"));
        }
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn four_capabilities_are_enough_to_look() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid();
    for way in WAYS {
        let number = pid.to_string();
        let dump = with_capabilities(machine, way, &NEEDED, &["dump", "--json", "-p", &number]);
        let dump = Dumped::parse(&dump.output, pid).expect("a document");
        let main = dump.thread("MainThread").expect("it has one");
        assert_eq!(names(&main.row), ["<module>", "f", "g", "h"], "{way:?}");
        assert_eq!(main.stack, "whole", "{way:?}: {dump:?}");
        let list = with_capabilities(machine, way, &NEEDED, &["ps", "--json"]);
        let list: Value = serde_json::from_slice(&list.output).expect("a document");
        let listed = list["processes"].as_array().expect("a list");
        let one = listed
            .iter()
            .find(|it| it["pid"] == pid)
            .expect("it is listed");
        assert!(
            one["python"].is_string() && one["problem"].is_null(),
            "{one}"
        );
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn doctor_names_what_is_missing() {
    let machine = machine();
    let check = |capabilities: &[&str], id: &str| {
        let doctor = with_capabilities(machine, Way::File, capabilities, &["doctor", "--json"]);
        let document: Value = serde_json::from_slice(&doctor.output).expect("a document");
        let checks = document["checks"].as_array().expect("a list").clone();
        let found = checks.into_iter().find(|it| it["id"] == id);
        (
            doctor.status.code(),
            found.unwrap_or_else(|| panic!("no check {id}")),
        )
    };
    let (status, load) = check(&NEEDED, "program-load");
    assert_eq!((status, &load["result"]), (Some(0), &"ok".into()), "{load}");
    for (missing, worst) in [
        ("bpf", "missing"),
        ("perfmon", "missing"),
        ("sys_ptrace", "limited"),
        ("dac_read_search", "limited"),
    ] {
        let others: Vec<_> = NEEDED.into_iter().filter(|it| *it != missing).collect();
        let id = format!("capability-{}", missing.replace('_', "-"));
        let (status, check) = check(&others, &id);
        assert_eq!(check["result"], worst, "{check}");
        assert_eq!(status, Some(if worst == "missing" { 3 } else { 0 }));
        let remedy = check["remedy"].as_str().expect("it says what to do");
        assert!(remedy.contains(&format!("cap_{missing}")), "{remedy}");
    }
}

/// That pyebpf may look at everything must not show one user the files of another.
#[test]
#[ignore = "needs root and BPF"]
fn an_ordinary_user_sees_no_secrets_of_others() {
    let machine = machine();
    let directory = open_directory("named_files.py");
    let secret = directory.path().join("secret.py");
    let open = directory.path().join("open.py");
    for (place, path, text) in [(0, &open, "open to all"), (1, &secret, "this is a secret")] {
        let text = format!("def named_{place}():\n    number = 1\n    '{text}'\n");
        fs::write(path, text).expect("our directory");
    }
    for (path, mode) in [(&open, 0o644), (&secret, 0o600)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(path, mode).expect("it is ours");
    }
    // The target of another ordinary user, who may not read the file either, and one of
    // root, who may.
    for user in [4242, 0] {
        let names = [&open, &secret];
        let target = Target::start_as(
            user,
            directory.path(),
            public(machine),
            "named_files.py",
            &names,
        );
        let pid = target.pid().to_string();
        let arguments = [
            "--hz",
            "1000",
            "-d",
            LONG_ENOUGH,
            "--pid",
            &pid,
            "-o",
            TIMELINE,
        ];
        let finished = with_capabilities(machine, Way::File, &NEEDED, &arguments);
        let text = fs::read_to_string(finished.path(TIMELINE)).expect("it was written");
        Timeline::parse(&text).expect("a whole file");
        assert!(text.contains("open to all"), "{user}: {}", finished.errors);
        assert!(!text.contains("this is a secret"), "{user}");
    }
    // Nor may `convert` open files by the capabilities that the program has for sampling.
    let secret = secret.display().to_string();
    let convert = with_capabilities(
        machine,
        Way::File,
        &NEEDED,
        &["convert", &secret, "-o", "x.json"],
    );
    assert!(
        convert.errors.contains("Permission denied"),
        "{}",
        convert.errors
    );
}

/// Returns a field of a thread's `/proc/PID/task/TID/status`.
fn field(task: &Path, name: &str) -> String {
    let status = fs::read_to_string(task.join("status")).expect("it runs");
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name}"))
        .trim()
        .to_owned()
}

fn capabilities(task: &Path, name: &str) -> u64 {
    u64::from_str_radix(&field(task, name), 16).expect("a set")
}

fn threads(pid: u32) -> Vec<std::path::PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    tasks.map(|entry| entry.expect("readable").path()).collect()
}

/// Checks that every thread of a running recording is confined.
fn assert_confined(pid: u32, user: u32) {
    let threads = threads(pid);
    assert!(!threads.is_empty());
    for task in threads {
        let name = field(&task, "Name");
        assert_eq!(field(&task, "Seccomp"), "2", "{name}");
        assert_eq!(field(&task, "NoNewPrivs"), "1", "{name}");
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(capabilities(&task, set), 0, "{name}: {set}");
        }
        for set in ["CapPrm", "CapEff"] {
            let found = capabilities(&task, set);
            assert_eq!(found & !LEFT, 0, "{name}: {set} {found:x}");
        }
        // The thread that opens what targets name has nothing that overrides permissions.
        if name == "sources" {
            assert_eq!(capabilities(&task, "CapPrm") & !(SETUID | SETGID), 0);
        }
        // Only the thread that opens the clocks has this, and it has nothing else.
        let perfmon = if name == "clocks" { PERFMON } else { 0 };
        assert_eq!(capabilities(&task, "CapEff") & PERFMON, perfmon, "{name}");
        if name == "clocks" {
            assert_eq!(capabilities(&task, "CapPrm"), PERFMON);
        }
        let users = field(&task, "Uid");
        let is_user = |it: &str| it == user.to_string();
        // The fourth is the user that files are opened as.
        assert!(
            users.split_whitespace().take(3).all(is_user),
            "{name}: {users}"
        );
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn what_is_not_needed_is_given_up_once_it_runs() {
    let machine = machine();
    for (mode, sudo) in [("cpu", None), ("wall", None), ("wall", Some(ORDINARY))] {
        let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
        let directory = Scratch::new();
        let mut command = Command::new(&machine.pyebpf);
        command
            .args(["-v", "--hz", "200", "--mode", mode, "--pid"])
            .arg(target.pid().to_string());
        // Each format is written in its own way at the end.
        for output in [
            TIMELINE,
            "t.pyebpf",
            "t.html",
            "t.svg",
            "t.flamechart.svg",
            "t.folded.gz",
            "t.pb.gz",
            "t.speedscope.json",
            "t.firefox.json",
            "t.chrome.json",
        ] {
            command.args(["-o", output]);
        }
        if let Some(user) = sudo {
            let user = user.to_string();
            command.env("SUDO_UID", &user).env("SUDO_GID", &user);
            std::os::unix::fs::chown(directory.path(), Some(ORDINARY), None).expect("root may");
        }
        let mut recording = Recording::spawn(command, directory);
        recording.wait_until_it_samples();
        until_busy(target.pid(), BUSY);
        // A snapshot starts threads of its own.
        recording.signal(Signal::SIGUSR1);
        recording.wait_for_line("snapshot in t.pyebpf");
        recording.wait_for_line("snapshot in");
        let user = sudo.unwrap_or(0);
        assert_confined(recording.pid(), user);
        recording.signal(Signal::SIGINT);
        let finished = recording.finish();
        let timeline = finished.timeline().expect("it is sampled");
        assert!(timeline.count("shown") > 0);
        assert_eq!(finished.directory.names().len(), 10, "{}", finished.errors);
        for name in finished.directory.names() {
            let file = fs::metadata(finished.path(&name)).expect("it is there");
            assert_eq!((file.uid(), file.mode() & 0o7777), (user, 0o600), "{name}");
        }
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn without_a_sandbox_all_rights_stay() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let arguments = ["--no-sandbox", "--pid", &pid, "--hz", "200"];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    let task = Path::new("/proc").join(recording.pid().to_string());
    assert_eq!(field(&task, "Seccomp"), "0");
    assert!(capabilities(&task, "CapEff") & !LEFT != 0);
    until_busy(target.pid(), BUSY);
    recording.signal(Signal::SIGINT);
    recording.finish().timeline().expect("it is sampled");
}

/// A command has the rights that it would have without pyebpf.
#[test]
#[ignore = "needs root and BPF"]
fn a_command_is_not_confined() {
    let machine = machine();
    let ask = "import json, sys, time\n\
        end = time.time() + 1\n\
        while time.time() < end: pass\n\
        print(json.dumps(dict(line.split(':', 1) for line in open('/proc/self/status'))))";
    let run = |with: bool| -> Value {
        let interpreter = &public(machine).path;
        let mut command = if with {
            let mut command = Command::new(&machine.pyebpf);
            command
                .args(["--hz", "200", "-o", TIMELINE, "--"])
                .arg(interpreter);
            command
        } else {
            Command::new(interpreter)
        };
        command.args(["-c", ask]);
        let finished = Recording::spawn(command, Scratch::new()).finish();
        assert!(finished.status.success(), "{}", finished.errors);
        serde_json::from_slice(&finished.output).expect("its own words")
    };
    let (with, without) = (run(true), run(false));
    for field in [
        "Uid",
        "Gid",
        "Groups",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    ] {
        assert_eq!(with[field], without[field], "{field}");
    }
}

/// Root without sudo writes where only its capabilities allow it.
#[test]
#[ignore = "needs root and BPF"]
fn root_writes_into_the_directory_of_another() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    std::os::unix::fs::chown(directory.path(), Some(4242), Some(4242)).expect("root may");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(directory.path(), mode).expect("root may");
    let output = directory.path().join(TIMELINE);
    let mut command = Command::new(&machine.pyebpf);
    command.args(["--hz", "200", "-d", LONG_ENOUGH, "--pid"]);
    command.arg(target.pid().to_string()).arg("-o").arg(&output);
    let finished = Recording::spawn(command, Scratch::new()).finish();
    assert!(finished.status.success(), "{}", finished.errors);
    assert_eq!(directory.names(), [TIMELINE]);
}
