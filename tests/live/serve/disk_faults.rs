// SPDX-License-Identifier: MIT OR Apache-2.0

//! What becomes of a server when its state directory is full, cannot be written, or holds what
//! no server has written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::serve::server::{Server, chunks};
use crate::support::machine::machine;
use crate::support::scratch::Scratch;
use crate::support::target::Target;

fn busy() -> Target {
    Target::start::<&str>(machine().interpreter(), "known_chain.py", &[])
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn a_full_disk_is_named_and_the_trace_goes_on_when_there_is_room() {
    let target = busy();
    let directory = Scratch::new();
    let state = directory.path().join("state");
    fs::create_dir(&state).expect("a new directory");
    let at = state.to_str().expect("text");
    run("mount", &["-t", "tmpfs", "-o", "size=256k", "none", at]);
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

/// A mount that ends with its test, like the directory that it is in.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status()
            .ok();
        let directory = self.0.parent().expect("a directory of the test");
        fs::remove_dir_all(directory).ok();
    }
}

/// Lets a directory, and all that is in it, be written no longer, not even through
/// descriptors that are open; or again. (A file system cannot be mounted read-only while
/// somebody has a file of it open for writing.)
fn set_read_only(directory: &Path, read_only: bool) {
    let change = if read_only { "+i" } else { "-i" };
    run("chattr", &["-R", change, directory.to_str().expect("text")]);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_directory_gone_read_only_is_named_and_the_trace_goes_on_when_it_is_not() {
    let target = busy();
    let directory = Scratch::new();
    let (state, image) = (
        directory.path().join("state"),
        directory.path().join("image"),
    );
    fs::create_dir(&state).expect("a new directory");
    // Other file systems do not know files that cannot be changed.
    let file = fs::File::create_new(&image).expect("a new file");
    file.set_len(16 << 20).expect("a sparse file");
    let (image, at) = (image.to_str().expect("text"), state.to_str().expect("text"));
    run("mkfs.ext4", &["-q", image]);
    run("mount", &["-o", "loop", image, at]);
    let _mounted = Mounted(state.clone());
    let server = Server::start_in(machine(), directory, &target, &[]);
    server.timeline(&[]);
    set_read_only(&state, true);
    let problem = server.status_when(|status| Some(status["problems"][0].as_str()?.to_owned()));
    assert!(problem.contains("cannot be written"), "{problem}");
    // It samples on, and what was kept can be had. What cannot be kept is refused.
    let delivered = server.ask(&["status"])["counters"]["delivered"].as_u64();
    server.wait_for_samples(delivered.expect("a number") + 10);
    server.timeline(&[]);
    assert!(!server.ctl(&["mark", "lost"]).status.success());
    // A recorder that is killed meanwhile cannot start, and the front answers.
    let recorder = server.part("serve-recorder");
    kill(recorder, Signal::SIGKILL).expect("it runs");
    server.status_when(|status| (status["recorder"]["state"] != "running").then_some(()));
    server.timeline(&[]);
    set_read_only(&state, false);
    server.status_when(|status| {
        let is_well = status["problems"].as_array()?.is_empty();
        (is_well && status["recorder"]["state"] == "running").then_some(())
    });
    server.wait_for_samples(10);
    assert_eq!(server.ask(&["mark", "kept"])["name"], "kept");
    server.timeline(&["--last", "2"]);
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn torn_and_forged_chunks_are_named_and_stop_nothing() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    server.timeline(&[]);
    // So that there are two chunks.
    kill(server.part("serve-recorder"), Signal::SIGKILL).expect("it runs");
    server.status_when(|status| (status["recorder"]["restarts"] == 1).then_some(()));
    server.wait_for_samples(20);
    let kept = Scratch::new();
    fs::rename(server.state(), kept.path().join("state")).expect("it may be renamed");
    let (status, said) = server.end();
    assert!(status.success(), "{said}");
    let written = chunks(&kept);
    let whole = fs::read(&written[0]).expect("a chunk");
    fs::write(&written[0], &whole[..whole.len() - 7]).expect("a torn chunk");
    let folder = written[0].parent().expect("a folder").to_owned();
    let forged = |number: usize| folder.join(format!("{:08}.pyebpf", written.len() + number));
    let noise: Vec<u8> = (0..1_u32 << 16)
        .map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(forged(1), &noise).expect("a forged chunk");
    fs::write(forged(2), [&whole[..whole.len() / 2], &noise].concat()).expect("a forged chunk");
    symlink("/etc/passwd", forged(3)).expect("a link");
    mkfifo(&forged(4), Mode::S_IRWXU).expect("a pipe");
    let server = Server::start_in(machine(), kept, &target, &[]);
    let is_seen = |status: &serde_json::Value| {
        let disk = &status["disk"];
        (disk["damaged_chunks"] == 3).then(|| disk["chunks"].as_u64())
    };
    let seen = server.status_when(is_seen).expect("a number");
    assert_eq!(seen, written.len() as u64 + 5);
    let text = server.ctl(&["status"]).stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("3 of them damaged"), "{text}");
    // One that is kept is spoiled while it is served.
    server.wait_for_samples(20);
    fs::write(server.chunks().get(1).expect("a chunk"), &noise).expect("a forged chunk");
    let timeline = server.timeline(&[]);
    assert!(timeline.threads.iter().all(|it| it.pid == target.pid()));
    let text = server.ctl(&["trace", "-o", "-", "-f", "folded"]).stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains(";h (") && !text.contains("root:"), "{text}");
    server.timeline(&["--last", "2"]);
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
    assert!(!said.contains("is restarted"), "{said}");
}
