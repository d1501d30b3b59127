// SPDX-License-Identifier: MIT OR Apache-2.0

//! Traces of what is kept, in every format.

use std::fs;
use std::os::unix::fs::symlink;

use sampler_trace::container::load::{Trace, read_bytes};
use sampler_trace::query::view::TraceView;

use crate::chunks::{OURS, whole};
use crate::recorder::now_us;
use crate::server::{Server, Setup};

/// Seconds of samples in a trace, of all threads.
pub(crate) fn seconds(trace: &Trace) -> f64 {
    let view = TraceView::whole(trace);
    let rows = view.tracks().iter().flat_map(|track| view.rows(*track));
    rows.map(|row| row.weight.nanoseconds()).sum::<u64>() as f64 / 1e9
}

fn trace(server: &Server, path: &str) -> Trace {
    let response = server.get(path);
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    assert!(response.is_complete);
    read_bytes(&response.body).expect("a trace")
}

#[test]
fn chunks_come_as_one_trace() {
    let server = Server::start();
    let all = trace(&server, "/api/v1/trace");
    assert!(all.torn.is_none());
    assert_eq!(all.tracks.tracks().len(), 2);
    // Two threads, which ran every other second of three minutes.
    assert_eq!(seconds(&all), 180.0);
    let begin = server.begin_s;
    let middle = trace(
        &server,
        &format!("/api/v1/trace?from=@{}.5&to=@{}", begin + 30, begin + 90),
    );
    assert_eq!(middle.info.unix_start_us, begin * 1_000_000 + 30_500_000);
    assert!(
        (seconds(&middle) - 59.0).abs() < 1.0,
        "{}",
        seconds(&middle)
    );
    let one = trace(&server, &format!("/api/v1/trace?pid={OURS}"));
    assert_eq!((one.tracks.tracks().len(), seconds(&one)), (1, 90.0));
    let by_name = trace(&server, "/api/v1/trace?process=%5Eother");
    assert_eq!(by_name.tracks.processes()[0].name, "other");
    let last = trace(&server, "/api/v1/trace?last=1m");
    assert!((seconds(&last) - 60.0).abs() <= 4.0, "{}", seconds(&last));
    let response = server.get("/api/v1/trace?to=@1000");
    assert_eq!(response.status, 404);
}

#[test]
fn every_format_has_its_type_and_its_name() {
    let server = Server::start();
    for (format, kind, begin, ending) in [
        (
            "pyebpf",
            "application/octet-stream",
            &b"\x89pyebpf\n"[..],
            "pyebpf",
        ),
        ("json", "application/json", b"[", "json"),
        (
            "folded",
            "text/plain; charset=utf-8",
            b"process 812:",
            "folded",
        ),
        ("svg", "image/svg+xml", b"<?xml", "svg"),
        ("flamechart", "image/svg+xml", b"<?xml", "flamechart.svg"),
        ("pprof", "application/octet-stream", b"\x1f\x8b", "pb.gz"),
        ("speedscope", "application/json", b"{", "speedscope.json"),
        ("chrome", "application/json", b"{", "chrome.json"),
        ("firefox", "application/json", b"{", "firefox.json"),
        (
            "html",
            "text/html; charset=utf-8",
            b"<!doctype html>",
            "html",
        ),
        ("json.gz", "application/gzip", b"\x1f\x8b", "json.gz"),
        ("folded.gz", "application/gzip", b"\x1f\x8b", "folded.gz"),
    ] {
        let response = server.get(&format!("/api/v1/trace?format={format}"));
        assert_eq!(response.status, 200, "{format}: {}", response.text());
        assert_eq!(response.header("content-type"), Some(kind), "{format}");
        let body = &response.body;
        assert!(
            body.starts_with(begin),
            "{format}: {:?}",
            &body[..body.len().min(20)]
        );
        let name = response.header("content-disposition").expect("a name");
        assert!(name.ends_with(&format!(".{ending}\"")), "{name}");
    }
    let mode = trace(&server, "/api/v1/trace?mode=cpu&function=work_of_app");
    assert_eq!(mode.tracks.tracks().len(), 1);
    assert_eq!(server.get("/api/v1/trace?function=nobody").status, 400);
}

#[test]
fn a_recording_has_its_time_and_its_processes() {
    let server = Server::start();
    let body = format!("{{\"pids\":[{OURS}]}}");
    assert_eq!(server.post("/api/v1/recordings", &body).status, 201);
    let entry = server
        .directory
        .path()
        .join("state/recordings/00000001.json");
    let text = fs::read_to_string(&entry).expect("an entry");
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    document["from_us"] = ((server.begin_s + 60) * 1_000_000).into();
    document["to_us"] = ((server.begin_s + 120) * 1_000_000).into();
    document["state"] = "done".into();
    let draft = entry.with_extension("draft");
    fs::write(&draft, document.to_string()).expect("a file");
    fs::rename(draft, entry).expect("a file");
    let of = trace(&server, "/api/v1/recordings/1/trace");
    assert_eq!((of.tracks.tracks().len(), seconds(&of)), (1, 30.0));
    let folded = server.get("/api/v1/recordings/1/trace?format=folded");
    assert!(folded.text().contains("work_of_app") && !folded.text().contains("work_of_other"));
    assert_eq!(server.get("/api/v1/recordings/1/trace?last=1m").status, 400);
    assert_eq!(server.get("/api/v1/recordings/2/trace").status, 404);
}

#[test]
fn damaged_and_forged_chunks_cost_what_is_damaged() {
    let server = Server::start();
    let second = fs::read(server.chunk_path(2)).expect("a chunk");
    // A chunk that was cut off in the middle, and one with a flipped bit.
    fs::write(server.chunk_path(2), &second[..second.len() / 2]).expect("a file");
    let cut = trace(&server, "/api/v1/trace");
    assert!(seconds(&cut) >= 120.0 && seconds(&cut) <= 180.0);
    let mut flipped = second.clone();
    let middle = flipped.len() - 40;
    flipped[middle] ^= 1;
    fs::write(server.chunk_path(2), &flipped).expect("a file");
    assert!(seconds(&trace(&server, "/api/v1/trace")) >= 120.0);
    // One that says it is a trace and is none, and something else altogether.
    for forged in [
        b"\x89pyebpf\n\x01\0\0\0garbage".to_vec(),
        vec![0; 100_000],
        Vec::new(),
    ] {
        let server = Server::start();
        fs::write(server.chunk_path(2), &forged).expect("a file");
        let all = trace(&server, "/api/v1/trace");
        assert_eq!(seconds(&all), 120.0);
        let disk = server.get("/api/v1/status").json()["disk"].clone();
        assert_eq!(
            (&disk["chunks"], &disk["damaged_chunks"]),
            (&3.into(), &1.into())
        );
    }
}

#[test]
fn nothing_outside_of_the_directory_is_read() {
    let server = Server::start();
    let outside = server.directory.path().join("outside.pyebpf");
    fs::write(&outside, whole(5000, server.begin_s + 600, 60)).expect("a file");
    symlink(&outside, server.chunk_path(4)).expect("a link");
    fs::create_dir(server.chunk_path(5)).expect("a directory");
    let mark = server.directory.path().join("mark.json");
    let text =
        r#"{"id":1,"name":"outside","cause":"request","at_us":1,"from_us":1,"to_us":1,"pid":null}"#;
    fs::write(&mark, text).expect("a file");
    let marks = server.directory.path().join("state/marks");
    symlink(&mark, marks.join("00000001.json")).expect("a link");
    // The number in an entry is that of its file.
    fs::write(marks.join("00000002.json"), text).expect("a file");
    fs::write(marks.join("00000003.json"), "[".repeat(1 << 20)).expect("a file");
    assert_eq!(seconds(&trace(&server, "/api/v1/trace")), 180.0);
    assert_eq!(
        server.get("/api/v1/marks").json(),
        serde_json::json!({"marks": []})
    );
    for path in [
        "/../../etc/passwd",
        "/api/v1/recordings/../../../etc/passwd/trace",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_profile_is_taken_as_go_takes_it() {
    let server = Server::start();
    let past = server.get("/debug/pprof/profile?past=1&seconds=600");
    assert_eq!(past.status, 200, "{}", past.text());
    assert_eq!(
        past.header("content-type"),
        Some("application/octet-stream")
    );
    let name = past.header("content-disposition");
    assert_eq!(name, Some("attachment; filename=\"profile\""));
    assert!(past.body.starts_with(b"\x1f\x8b") && past.body.len() > 200);
    // The next second: what is written meanwhile is in it.
    let now = std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.get("/debug/pprof/profile?seconds=1"));
        let others: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| server.get("/debug/pprof/profile?seconds=1")))
            .collect();
        let unix_s = now_us() / 1_000_000;
        let chunk = whole(2000, unix_s, 10);
        while !asked.is_finished() {
            server.write_chunk(4, &chunk);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        for other in others {
            assert_eq!(other.join().expect("no panic").status, 200);
        }
        asked.join().expect("no panic")
    });
    assert_eq!(now.status, 200);
    let text = unpacked(&now.body);
    let has = |part: &str| text.windows(part.len()).any(|it| it == part.as_bytes());
    assert!(has("work_of_app"), "{} bytes", text.len());
    let cmdline = server.get("/debug/pprof/cmdline");
    assert_eq!(cmdline.body, b"pyebpf\0serve");
}

#[test]
fn a_profile_without_samples_is_a_valid_one() {
    let server = Server::with(Setup {
        chunks: false,
        ..Setup::default()
    });
    for path in [
        "seconds=600&past=1",
        "seconds=600&past=1&pid=1",
        "seconds=1&past=1",
    ] {
        let profile = server.get(&format!("/debug/pprof/profile?{path}"));
        assert_eq!(profile.status, 200, "{path}: {}", profile.text());
        let text = unpacked(&profile.body);
        // It has the type of its samples.
        assert!(text.windows(11).any(|it| it == b"nanoseconds"), "{text:?}");
    }
}

pub(crate) fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(bytes);
    std::io::Read::read_to_end(&mut reader, &mut text).expect("gzip");
    text
}

#[test]
fn a_conversion_that_is_too_large_is_refused_before_it_begins() {
    let server = Server::with(Setup {
        limits: sampler_serve::front::config::Limits {
            conversion_bytes: 1000,
            ..Default::default()
        },
        ..Setup::default()
    });
    let refused = server.get("/api/v1/trace?format=svg");
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("format=pyebpf"),
        "{}",
        refused.text()
    );
    assert_eq!(server.get("/api/v1/trace").status, 200);
}

#[test]
fn where_nothing_is_sampled_a_profile_begins_a_recording() {
    use sampler_serve::protocol::command::RecorderCommand;
    let server = Server::start();
    server.recorder().behaviour.lock().expect("no panic").hz = 0;
    // The status that is known is used for a moment.
    while server.get("/api/v1/status").json()["hz"] != 0 {}
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.get("/debug/pprof/profile?seconds=1"));
        while !asked.is_finished() {
            let chunk = fs::read(server.chunk_path(3)).expect("a chunk");
            server.write_chunk(3, &chunk);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert_eq!(asked.join().expect("no panic").status, 200);
    });
    let asked = server.recorder().asked();
    let is_start =
        |it: &RecorderCommand| matches!(it, RecorderCommand::Start(start) if start.hz == Some(100));
    assert!(asked.iter().any(is_start), "{asked:?}");
    assert!(
        asked
            .iter()
            .any(|it| matches!(it, RecorderCommand::Stop { .. })),
        "{asked:?}"
    );
}
