// SPDX-License-Identifier: MIT OR Apache-2.0

//! What goes on: events, and a trace that is followed over the end of a chunk.

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use sampler_serve::front::config::Limits;
use sampler_serve::protocol::message::Event;
use sampler_serve::state::entry::{MarkCause, MarkEntry, MarkId};
use sampler_trace::container::error::TraceError;
use sampler_trace::container::follow::Follower;

use crate::chunks::Chunk;
use crate::client::{Reader, Stream, request};
use crate::recorder::now_us;
use crate::server::{Server, Setup};

fn mark(id: u64, pid: Option<u32>) -> Event {
    Event::Mark(MarkEntry {
        id: MarkId(id),
        name: format!("mark {id}"),
        cause: MarkCause::Stall,
        at_us: 1,
        from_us: 1,
        to_us: 2,
        pid,
        details: "it stands".into(),
    })
}

/// Begins a stream, and reads its head.
fn open(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reader<Box<dyn Stream>> {
    let mut stream = server.unix();
    let text = request("GET", path, headers, "");
    stream.write_all(text.as_bytes()).expect("it is sent");
    let mut reader = Reader::new(stream);
    let (status, _) = reader.head();
    assert_eq!(status, 200, "{path}");
    reader
}

/// The next event with this name.
fn event(reader: &mut Reader<Box<dyn Stream>>, name: &str) -> String {
    loop {
        let chunk = reader.chunk().expect("an event");
        let text = String::from_utf8(chunk).expect("text");
        if text.contains(&format!("event: {name}\n")) {
            return text;
        }
    }
}

#[test]
fn events_come_as_they_happen_and_can_be_caught_up() {
    let server = Server::start();
    let mut events = open(&server, "/api/v1/events", &[]);
    let status = event(&mut events, "status");
    let data = status.lines().find_map(|line| line.strip_prefix("data: "));
    let data: serde_json::Value = serde_json::from_str(data.expect("data")).expect("JSON");
    assert_eq!(data["program"], "pyebpf 0.1.0");
    server.recorder().say(mark(1, None));
    let first = event(&mut events, "mark");
    assert!(first.contains("\"name\":\"mark 1\"") && first.contains("\"cause\":\"stall\""));
    let id = first
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .expect("an id");
    event(&mut events, "status");
    drop(events);
    for number in 2..4 {
        server.recorder().say(mark(number, None));
    }
    let mut again = open(&server, "/api/v1/events", &[("Last-Event-ID", id)]);
    for number in 2..4 {
        assert!(event(&mut again, "mark").contains(&format!("mark {number}")));
    }
    // Numbers of another run of the server say nothing.
    let mut other = open(&server, "/api/v1/events", &[("Last-Event-ID", "5-1")]);
    let text = String::from_utf8(other.chunk().expect("an event")).expect("text");
    assert!(text.starts_with("event: status\n"), "{text}");
}

#[test]
fn a_trace_is_followed_over_the_end_of_a_chunk() {
    let server = Server::with(Setup {
        chunks: false,
        ..Setup::default()
    });
    let unix_s = now_us() / 1_000_000;
    let mut first = Chunk::begin(1000, unix_s);
    first.grow(2);
    server.write_chunk(1, &first.bytes());
    let mut stream = open(&server, "/api/v1/trace?follow=1", &[]);
    let mut follower = Follower::default();
    let mut rows = 0;
    let mut until = |follower: &mut Follower, wanted: u64| {
        while follower
            .complete_until()
            .is_none_or(|it| it.0 < wanted * 1_000_000_000)
        {
            follower.feed(&stream.chunk().expect("a piece"));
            let count = |_| {
                rows += 1;
                Ok::<(), TraceError>(())
            };
            let mut count = count;
            while follower.next(&mut count).expect("a trace").is_some() {}
        }
        rows
    };
    let began = until(&mut follower, 1002);
    assert!(began > 0);
    first.grow(2);
    server.write_chunk(1, &first.bytes());
    let grown = until(&mut follower, 1004);
    assert!(grown > began);
    // The chunk ends, and another begins.
    server.write_chunk(1, &first.finish());
    let mut second = Chunk::begin(1004, unix_s + 4);
    second.grow(2);
    server.write_chunk(2, &second.bytes());
    let over = until(&mut follower, 1006);
    assert!(over > grown);
    // A recorder that begins anew says nothing about what it wrote.
    second.grow(2);
    fs::write(server.chunk_path(2), second.bytes()).expect("a file");
    until(&mut follower, 1008);
    assert_eq!(follower.tracks().expect("tracks").tracks().len(), 2);
    let symbols = follower.symbols().expect("symbols");
    assert_eq!(symbols.stack_count(), 3, "nothing is defined twice");
}

#[test]
fn a_stream_that_is_old_ends_as_a_whole_trace() {
    let server = Server::with(Setup {
        limits: Limits {
            stream: Duration::from_millis(500),
            ..Limits::default()
        },
        ..Setup::default()
    });
    let response = server.get("/api/v1/trace?follow=1");
    assert!(response.is_complete);
    let trace = sampler_trace::container::load::read_bytes(&response.body).expect("a trace");
    assert!(trace.torn.is_none());
    assert_eq!(crate::traces::seconds(&trace), 180.0);
    assert!(server.get("/api/v1/events").is_complete);
}

#[test]
fn a_slow_client_costs_nobody_else() {
    let server = Server::with(Setup {
        limits: Limits {
            stall: Duration::from_secs(2),
            ..Limits::default()
        },
        ..Setup::default()
    });
    // A trace that does not fit into the buffers of a socket.
    let mut chunk = Chunk::begin(1180, now_us() / 1_000_000);
    for _ in 0..400 {
        chunk.grow(300);
    }
    server.write_chunk(4, &chunk.finish());
    let mut slow = Vec::new();
    for path in [
        "/api/v1/trace?format=json",
        "/api/v1/trace?format=json",
        "/api/v1/trace",
    ] {
        let mut stream = server.unix();
        stream
            .write_all(request("GET", path, &[], "").as_bytes())
            .expect("it is sent");
        slow.push(stream);
    }
    // They take nothing. Others are answered at once, conversions as soon as the slow ones
    // are given up.
    let began = Instant::now();
    assert_eq!(server.get("/api/v1/status").status, 200);
    assert!(server.get("/api/v1/trace").is_complete);
    let end = began + Duration::from_secs(60);
    loop {
        let response = server.get("/api/v1/trace?format=folded");
        match response.status {
            200 => break,
            status => assert!(status == 429 && Instant::now() < end, "{status}"),
        }
    }
    let mut taken = Vec::new();
    slow[0].read_to_end(&mut taken).expect("what there was");
    assert!(!taken.ends_with(b"\r\n0\r\n\r\n"), "it was not completed");
    let metrics = server.get("/metrics").text();
    let aborted = metrics
        .lines()
        .find(|line| line.starts_with("pyebpf_http_aborted_total"));
    assert_ne!(aborted, Some("pyebpf_http_aborted_total 0"));
}
