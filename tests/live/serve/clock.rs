// SPDX-License-Identifier: MIT OR Apache-2.0

//! What becomes of a server when the clock is set forward and back. It is the clock of the
//! server alone that is set: a library that is loaded into it shifts what it reads.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use serde_json::Value;

use crate::serve::server::{Server, command};
use crate::support::machine::machine;
use crate::support::programs::library;
use crate::support::scratch::Scratch;
use crate::support::target::Target;

const HOUR: i64 = 3600;

/// Starts a recording of ten seconds, sets the clock in the middle of it, and returns how the
/// recording ended. Then what was sampled last must be found by its time.
fn recording_over(server: &Server, clock: &File, seconds: i64) -> Value {
    let started = server.ask(&["start", "--hz", "50", "--seconds", "10"]);
    let id = started["id"].clone();
    let delivered = |status: &Value| status["counters"]["delivered"].as_u64();
    let before = delivered(&server.ask(&["status"])).expect("a number");
    server.wait_for_samples(before + 50);
    let lines = || server.errors().matches("the clock was set").count();
    let (noticed, chunks) = (lines(), server.chunks().len());
    clock
        .write_all_at(&seconds.to_ne_bytes(), 0)
        .expect("it is open");
    let ended = server.status_when(|_| {
        let all = server.ask(&["recordings"]);
        let all = all["recordings"].as_array()?;
        let it = all.iter().find(|it| it["id"] == id)?;
        (it["state"] == "done").then(|| it.clone())
    });
    assert_eq!(lines(), noticed + 1, "{}", server.errors());
    assert!(server.chunks().len() > chunks, "another chunk begins");
    server.timeline(&["--last", "2"]);
    server.timeline(&["--recording", &id.to_string()]);
    ended
}

fn seconds_of(recording: &Value) -> f64 {
    let us = |name: &str| recording[name].as_f64().expect("a number");
    (us("to_us") - us("from_us")) / 1e6
}

#[test]
#[ignore = "needs root and BPF"]
fn a_clock_that_is_set_forward_and_back_loses_nothing_and_ends_nothing() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let directory = Scratch::new();
    let library = library(directory.path(), "clock.c");
    let path = directory.path().join("clock");
    fs::write(&path, 0_i64.to_ne_bytes()).expect("a new file");
    let clock = File::options()
        .write(true)
        .open(&path)
        .expect("it is there");
    let mut command = command(machine, &directory, &target, &["--keep", "1h"]);
    command.env("LD_PRELOAD", library).env("CLOCK_FILE", path);
    let server = Server::spawn(machine, directory, command);
    server.hear("READY=1");
    server.timeline(&[]);
    let first = server.chunks().remove(0);
    // Its ten seconds are neither over at once, nor do they last for hours.
    let forward = seconds_of(&recording_over(&server, &clock, 5 * HOUR));
    assert!(
        (forward - 5.0 * HOUR as f64 - 10.0).abs() < 2.0,
        "{forward}"
    );
    let back = seconds_of(&recording_over(&server, &clock, -2 * HOUR));
    assert!((back - 7.0 * HOUR as f64).abs() < 20.0, "{back}");
    // Nothing is five hours old, whatever the clock says.
    assert!(first.exists());
    let status = server.ask(&["status"]);
    assert_eq!(status["counters"]["lost"], 0, "{status}");
    assert_eq!(status["counters"]["chunks_deleted"], 0, "{status}");
    assert_eq!(status["recorder"]["restarts"], 0, "{status}");
    assert_eq!(status["problems"].as_array().map(Vec::len), Some(0));
    let timeline = server.timeline(&[]);
    assert!(timeline.threads.iter().all(|it| it.pid == target.pid()));
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
    assert!(!said.contains("is restarted"), "{said}");
}
