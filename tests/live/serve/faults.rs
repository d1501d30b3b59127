// SPDX-License-Identifier: MIT OR Apache-2.0

//! What becomes of a server when a part of it, its disk or its end is forced.

use std::fs;
use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::serve::server::{Server, chunks, command, is_closed};
use crate::support::machine::machine;
use crate::support::scratch::Scratch;
use crate::support::target::Target;

fn busy() -> Target {
    Target::start::<&str>(machine().interpreter(), "known_chain.py", &[])
}

#[test]
#[ignore = "needs root and BPF"]
fn either_part_can_be_killed_and_what_was_recorded_stays() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    server.timeline(&[]);
    let first = server.part("serve-recorder");
    kill(first, Signal::SIGKILL).expect("it runs");
    server.status_when(|status| {
        let recorder = &status["recorder"];
        let is_other = recorder["pid"].as_i64() != Some(i64::from(first.as_raw()));
        (is_other && recorder["state"] == "running").then_some(())
    });
    assert!(server.chunks().len() > 1);
    let mark = server.ask(&["mark", "after the recorder"]);
    assert_eq!(mark["id"], 1);
    let front = server.part("serve-front");
    kill(front, Signal::SIGKILL).expect("it runs");
    let status = server.status_when(|status| Some(status.clone()));
    assert_eq!(status["marks"][0]["name"], "after the recorder");
    let timeline = server.timeline(&["--last", "10m"]);
    assert!(timeline.threads.iter().all(|it| it.pid == target.pid()));
    let directory = &server.directory;
    assert!(!is_closed(&chunks(directory)[0]), "it was killed");
    let (status, said) = server.end();
    assert!(status.success() && said.contains("started again"), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn an_end_that_is_asked_for_leaves_a_closed_chunk_and_the_next_server_goes_on() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    server.timeline(&[]);
    server.ask(&["start", "--hz", "50", "--name", "goes on"]);
    let kept = Scratch::new();
    fs::rename(server.state(), kept.path().join("state")).expect("it may be renamed");
    let (status, said) = server.end();
    assert!(status.success(), "{said}");
    assert!(is_closed(&chunks(&kept)[0]));
    let server = Server::start_in(machine(), kept, &target, &[]);
    let recordings = server.ask(&["recordings"]);
    assert_eq!(
        recordings["recordings"][0]["state"], "running",
        "{recordings}"
    );
    server.status_when(|status| (status["hz"] == 50).then_some(()));
    assert!(server.chunks().len() > 1);
    server.timeline(&["--recording", "1"]);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_second_server_on_the_same_directory_is_refused() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    let mut second = command(machine(), &server.directory, &target, &[]);
    let output = second.output().expect("pyebpf ran before");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another server"), "{said}");
    server.ask(&["status"]);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_full_disk_is_named_and_the_trace_goes_on_when_there_is_room() {
    let target = busy();
    let directory = Scratch::new();
    let state = directory.path().join("state");
    fs::create_dir(&state).expect("a new directory");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "none"])
        .arg(&state)
        .status();
    assert!(mount.expect("there is mount").success());
    let _mounted = Mounted(state.clone());
    let server = Server::start_in(machine(), directory, &target, &[]);
    server.timeline(&[]);
    let filler = state.join("filler");
    // As much as there is room for.
    let filled = fs::write(&filler, vec![0; 1 << 20]);
    assert!(filled.is_err(), "the disk is small");
    let problem = server.status_when(|status| Some(status["problems"][0].as_str()?.to_owned()));
    assert!(problem.contains("cannot be written"), "{problem}");
    let before = server.ask(&["status"]);
    assert!(
        before["counters"]["chunk_bytes_dropped"].as_u64() > Some(0),
        "{before}"
    );
    fs::remove_file(&filler).expect("it is there");
    server.status_when(|status| {
        let problems = status["problems"].as_array()?;
        problems.is_empty().then_some(())
    });
    assert!(server.chunks().len() > 1);
    let delivered = server.ask(&["status"])["counters"]["delivered"].as_u64();
    server.wait_for_samples(delivered.expect("a number") + 10);
    server.timeline(&["--last", "2"]);
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}

/// A mount that ends with its test.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status()
            .ok();
    }
}
