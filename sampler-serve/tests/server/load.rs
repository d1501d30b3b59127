// SPDX-License-Identifier: MIT OR Apache-2.0

//! Many clients at once.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use sampler_serve::front::config::Limits;

use crate::client::{ask, read, request, unix};
use crate::server::{Server, Setup};

#[test]
fn a_thousand_clients_are_answered_or_told_that_there_is_no_room() {
    let server = Server::with(Setup {
        limits: Limits {
            connections: 100,
            connections_of_peer: 100,
            ..Limits::default()
        },
        ..Setup::default()
    });
    let text = request("GET", "/api/v1/status", &[("Connection", "close")], "");
    let began = Instant::now();
    let (mut answered, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let statuses = (0..50).map(|_| ask(unix(&server.socket), &text).status);
                    statuses.collect::<Vec<_>>()
                })
            })
            .collect();
        for client in clients {
            for status in client.join().expect("no panic") {
                match status {
                    200 => answered += 1,
                    503 => refused += 1,
                    other => panic!("{other}"),
                }
            }
        }
    });
    assert_eq!(answered + refused, 1000);
    assert!(began.elapsed() < Duration::from_secs(60));
    // And all at the same time.
    let idle: Vec<_> = (0..1000)
        .map(|_| UnixStream::connect(&server.socket))
        .collect();
    let idle: Vec<_> = idle.into_iter().filter_map(Result::ok).collect();
    // The first hundred are in; some of the others are told, and all are let go.
    let told = &idle[150];
    told.set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a socket");
    let refusal = read(&mut &*told);
    assert_eq!(refusal.status, 503);
    assert_eq!(refusal.header("connection"), Some("close"));
    assert!(refusal.json()["error"].is_string());
    // They are taken in as they came, so once the last has heard, all have. That one is told
    // or just let go.
    let mut last = idle.last().expect("a connection");
    last.set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a socket");
    let told = last.read_to_end(&mut Vec::new());
    told.expect("its connection is ended");
    drop(idle);
    let end = Instant::now() + Duration::from_secs(60);
    while server.get("/healthz").status != 200 {
        assert!(Instant::now() < end, "the room is not given back");
    }
    let metrics = server.get("/metrics").text();
    let refused = metrics
        .lines()
        .find_map(|line| line.strip_prefix("pyebpf_http_refused_connections_total "));
    let refused: u32 = refused.and_then(|it| it.parse().ok()).expect("a number");
    assert!(refused >= 900, "{refused}");
}

#[test]
fn streams_of_one_client_leave_room_for_others() {
    let server = Server::with(Setup {
        limits: Limits {
            streams: 8,
            streams_of_peer: 4,
            ..Limits::default()
        },
        ..Setup::default()
    });
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = server.unix();
        let text = request("GET", "/api/v1/events", &[], "");
        stream.write_all(text.as_bytes()).expect("it is sent");
        let mut reader = crate::client::Reader::new(stream);
        assert_eq!(reader.head().0, 200);
        open.push(reader);
    }
    assert_eq!(server.get("/api/v1/events").status, 503);
    assert_eq!(server.get("/api/v1/trace").status, 503);
    // Another address has its own share.
    assert_eq!(server.get_tcp("/api/v1/trace").status, 200);
    drop(open);
    let end = Instant::now() + Duration::from_secs(60);
    while server.get("/api/v1/trace").status != 200 {
        assert!(Instant::now() < end, "the room is not given back");
    }
}

#[test]
#[ignore = "a measurement: needs a release build"]
fn requests_a_second_and_memory_of_a_thousand_clients() {
    let server = Server::with(Setup {
        limits: Limits {
            connections: 2000,
            connections_of_peer: 2000,
            ..Limits::default()
        },
        ..Setup::default()
    });
    let rss = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.expect("a line").split_whitespace().next();
        number.expect("a number").parse::<u64>().expect("a number")
    };
    for path in ["/healthz", "/api/v1/status", "/metrics"] {
        let text = request("GET", path, &[], "");
        let mut stream = UnixStream::connect(&server.socket).expect("a connection");
        let (began, mut count) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(3) {
            assert_eq!(ask(&mut stream, &text).status, 200);
            count += 1;
        }
        let rate = f64::from(count) / began.elapsed().as_secs_f64();
        println!("{path}: {rate:.0} requests a second over one connection");
    }
    let before = rss();
    let text = request("GET", "/healthz", &[], "");
    let mut clients = Vec::new();
    for _ in 0..1000 {
        let mut stream = UnixStream::connect(&server.socket).expect("a connection");
        assert_eq!(ask(&mut stream, &text).status, 200);
        clients.push(stream);
    }
    println!("1000 clients: {} kB before, {} kB with them", before, rss());
}
