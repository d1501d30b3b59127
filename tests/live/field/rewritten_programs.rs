// SPDX-License-Identifier: MIT OR Apache-2.0

//! A file that was a program without Python and is an interpreter later, in the same
//! inode: an upgrade in place, or a build that is run again.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::machine::{Machine, machine};
use crate::support::recording::Recording;
use crate::support::scratch::Scratch;
use crate::support::target::{Target, scripts};

/// Mounts an overlay in a namespace that ends with the process, and runs the rest there.
const IN_OVERLAY: &str = "mount -t overlay overlay \
    -o lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work $1/merged; shift; exec \"$@\"";

#[test]
#[ignore = "needs root and BPF"]
fn finds_python_in_a_file_that_had_none() {
    let machine = machine();
    let directory = Scratch::new();
    check(machine, &command(machine, directory.path(), "over"), true);
}

#[test]
#[ignore = "needs root and BPF"]
fn finds_python_in_an_overlay_that_gives_a_number_again() {
    let machine = machine();
    let directory = Scratch::new();
    for part in ["lower", "upper", "work", "merged"] {
        fs::create_dir(directory.path().join(part)).expect("it is ours");
    }
    let inner = command(machine, &directory.path().join("merged"), "removed");
    let mut words = ["--mount", "sh", "-ec", IN_OVERLAY, "sh"]
        .map(Into::into)
        .to_vec();
    words.push(directory.path().into());
    words.extend(inner);
    words.insert(0, "unshare".into());
    // Whether the overlay reuses an inode number depends on the file system below.
    check(machine, &words, false);
}

/// Returns the command that runs the script that writes the file.
fn command(machine: &Machine, directory: &Path, how: &str) -> Vec<std::ffi::OsString> {
    let interpreter = &machine.interpreter().path;
    let script = scripts().join("rewritten_program.py");
    vec![
        interpreter.into(),
        script.into(),
        directory.into(),
        how.into(),
    ]
}

fn check(machine: &Machine, words: &[std::ffi::OsString], is_same_inode: bool) {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let mut target = Target::run(command);
    let mut recording = Recording::start(machine, &["--hz", "200"]);
    recording.wait_until_it_samples();
    target.say("go");
    let mut pythons = Vec::new();
    loop {
        let line = target.next_line();
        let Some(pid) = line["pid"].as_u64() else {
            break;
        };
        assert!(!is_same_inode || line["same_inode"] == true, "{line}");
        pythons.push(u32::try_from(pid).expect("pids are small"));
    }
    recording.be_patient();
    recording.signal(Signal::SIGINT);
    let timeline = recording.finish().timeline().expect("a timeline");
    // Otherwise the program without Python was not noted as such, and nothing is tested.
    assert!(timeline.count("plain_programs") > 0);
    for pid in pythons {
        let mut rows = timeline.of_process(pid).flat_map(|it| &it.rows);
        let is_seen = rows.any(|row| row.frames.iter().any(|it| it.short_name() == "in_program"));
        assert!(is_seen, "process {pid} is missing: {:?}", timeline.counts);
    }
}
