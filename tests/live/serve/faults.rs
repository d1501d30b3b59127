// SPDX-License-Identifier: MIT OR Apache-2.0

//! What becomes of a server when a part of it or its end is forced, and when everybody asks it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
    assert!(status.success() && said.contains("is restarted"), "{said}");
}

/// Whatever a part is doing: being started, opening its files, writing a segment.
#[test]
#[ignore = "needs root and BPF"]
fn either_part_can_be_killed_at_any_moment() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    server.ask(&["mark", "before all of it"]);
    // Moments that have nothing to do with what the parts do, the same in every run.
    let mut random = 17_u64;
    for part in ["serve-recorder", "serve-front"].repeat(4) {
        let pid = server.part(part);
        random = random.wrapping_mul(6_364_136_223_846_793_005) + 1_442_695_040_888_963_407;
        thread::sleep(Duration::from_millis((random >> 33) % 700));
        kill(pid, Signal::SIGKILL).expect("nobody else ends it");
    }
    server.status_when(|status| (status["recorder"]["state"] == "running").then_some(()));
    server.wait_for_samples(1);
    let marks = server.ask(&["marks"]);
    assert_eq!(marks["marks"][0]["name"], "before all of it", "{marks}");
    server.timeline(&["--last", "10m"]);
    let chunks = server.chunks();
    assert!(chunks.len() > 1, "{chunks:?}");
    // What was cut off is intact up to there.
    let has_begun = |chunk: &&PathBuf| fs::metadata(chunk).is_ok_and(|it| it.len() != 0);
    let closed = chunks.iter().filter(has_begun).filter(|it| is_closed(it));
    assert_eq!(closed.count(), 0, "each recorder was killed");
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("panicked"), "{said}");
    assert_eq!(said.matches("is restarted").count(), 8, "{said}");
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
fn a_thousand_clients_at_once_do_not_reach_the_recorder() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    server.wait_for_samples(1);
    let socket = server.directory.path().join("s");
    let mut clients: Vec<_> = (0..1000)
        .map(|_| UnixStream::connect(&socket).expect("it listens"))
        .collect();
    let request = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (mut answered, mut told) = (0, 0);
    for client in &mut clients {
        // Whoever is let go need not hear it before.
        client.write_all(request).ok();
    }
    for mut client in clients {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).ok();
        answered += u32::from(answer.starts_with(b"HTTP/1.1 200 "));
        told += u32::from(answer.starts_with(b"HTTP/1.1 503 "));
    }
    assert!(answered > 0 && told > 0, "{answered} {told}");
    let status = server.status_when(|status| Some(status.clone()));
    assert_eq!(status["recorder"]["restarts"], 0, "{status}");
    assert_eq!(status["counters"]["lost"], 0, "{status}");
    let delivered = status["counters"]["delivered"].as_u64().expect("a number");
    server.wait_for_samples(delivered + 10);
    let most = peak_kib(server.part("serve-front"));
    assert!(most < 64 << 10, "{most} KiB");
    server.timeline(&["--last", "2"]);
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
    assert!(!said.contains("is restarted"), "{said}");
}

/// Returns the most memory that a process has had, in KiB.
fn peak_kib(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).expect("a number")
}
