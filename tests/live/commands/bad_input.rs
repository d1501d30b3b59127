// SPDX-License-Identifier: MIT OR Apache-2.0

//! What cannot be recorded or written: each case has a message and its own exit status.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::machine::machine;
use crate::support::programs::copy_program;
use crate::support::recording::{Finished, Recording, TIMELINE};
use crate::support::scratch::Scratch;
use crate::support::target::Target;
use crate::support::timeline::Timeline;

fn assert_refused(finished: &Finished, status: i32, said: &str) {
    assert_eq!(finished.status.code(), Some(status), "{}", finished.errors);
    assert!(
        finished.errors.contains(said),
        "{said:?}: {}",
        finished.errors
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_that_is_not_there_is_4() {
    let machine = machine();
    let mut child = Command::new("true").spawn().expect("every Linux has it");
    child.wait().expect("it is our child");
    let pid = child.id().to_string();
    let finished = Recording::start(machine, &["--pid", &pid]).finish();
    assert_refused(&finished, 4, &pid);
    assert!(finished.directory.names().is_empty());
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_without_python_is_4() {
    let machine = machine();
    let other = Target::run_silent(Command::new("sleep").arg("60"));
    let pid = other.pid().to_string();
    let finished = Recording::start(machine, &["--pid", &pid]).finish();
    assert_refused(&finished, 4, &pid);
    assert!(finished.errors.contains("Python"), "{}", finished.errors);
    assert!(finished.directory.names().is_empty());
}

#[test]
#[ignore = "needs root and BPF"]
fn what_cannot_be_meant_is_2() {
    let machine = machine();
    for arguments in [
        ["--hz", "0"],
        ["--hz", "10001"],
        ["--pid", "x"],
        ["--duration", "0"],
        ["--mode", "fast"],
        ["--no-such", "option"],
    ] {
        let finished = Recording::start(machine, &arguments).finish();
        assert_refused(&finished, 2, arguments[0]);
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn an_output_that_cannot_be_written_is_1() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    for path in [
        "/there/is/no/such/directory.json",
        "/sys/trace.json",
        "/dev/null/trace.json",
    ] {
        let arguments = ["--pid", &pid, "-d", "1", "-o", path];
        assert_refused(
            &Recording::start_plain(machine, &arguments).finish(),
            1,
            path,
        );
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn an_output_behind_a_link_is_refused() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    let file = directory.path().join("precious");
    fs::write(&file, "precious").expect("our directory");
    symlink(&file, directory.path().join(TIMELINE)).expect("our directory");
    let mut command = Command::new(&machine.pyebpf);
    command.args([
        "--hz",
        "200",
        "-d",
        "0.3",
        "-o",
        TIMELINE,
        "-p",
        &target.pid().to_string(),
    ]);
    let finished = Recording::spawn(command, directory).finish();
    assert_refused(&finished, 1, TIMELINE);
    assert_eq!(
        fs::read_to_string(finished.path("precious")).expect("it stays"),
        "precious"
    );
}

#[test]
#[ignore = "needs root and BPF"]
fn without_rights_it_is_3() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    // The ordinary user may not be allowed into the program's directory.
    let program = directory.path().join("pyebpf");
    copy_program(&machine.pyebpf, &program);
    let mut command = Command::new(program);
    command.args([
        "--pid",
        &target.pid().to_string(),
        "-d",
        "1",
        "-o",
        "/tmp/x.json",
    ]);
    command.uid(65534).gid(65534);
    let finished = Recording::spawn(command, directory).finish();
    assert_refused(&finished, 3, "sudo");
}

/// A file system of 64 KiB.
struct SmallDisk(Scratch);

impl SmallDisk {
    fn new() -> Self {
        let directory = Scratch::new();
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(directory.path());
        assert!(command.status().expect("every Linux has it").success());
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A mount that stays does little harm.
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_disk_too_small_for_the_timeline_keeps_the_recording() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "chains.py", &[]);
    let disk = SmallDisk::new();
    let output = disk.path().join(TIMELINE);
    let pid = target.pid().to_string();
    let mut command = Command::new(&machine.pyebpf);
    command
        .args(["--hz", "1000", "-d", "1", "--pid", &pid, "-o"])
        .arg(&output);
    let finished = Recording::spawn(command, Scratch::new()).finish();
    assert_refused(&finished, 1, "pyebpf convert");
    assert!(!output.exists());
    let container = disk.path().join(format!("{TIMELINE}.pyebpf"));
    let mut convert = Command::new(&machine.pyebpf);
    convert
        .arg("convert")
        // The caller of sudo may not write to the directories of the tests.
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .arg(container)
        .arg("-o")
        .arg(finished.path(TIMELINE));
    assert!(convert.status().expect("it ran before").success());
    let text = fs::read_to_string(finished.path(TIMELINE)).expect("it was written");
    assert!(Timeline::parse(&text).expect("a whole file").count("shown") > 100);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_full_disk_ends_the_recording() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "chains.py", &[]);
    let disk = SmallDisk::new();
    fs::write(disk.path().join("filler"), vec![0; 60 << 10]).expect("it fits");
    let pid = target.pid().to_string();
    let mut command = Command::new(&machine.pyebpf);
    command.args(["--hz", "1000", "-d", "30", "--pid", &pid, "-o"]);
    command.arg(disk.path().join("trace.pyebpf"));
    let finished = Recording::spawn(command, Scratch::new()).finish();
    assert_refused(&finished, 1, "no space is left");
}
