// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a server answers of a process whose stacks are known.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::serve::server::{Server, is_closed};
use crate::support::machine::{machine, slowness};
use crate::support::marks::Marks;
use crate::support::target::Target;

fn busy() -> Target {
    Target::start::<&str>(machine().interpreter(), "known_chain.py", &[])
}

#[test]
#[ignore = "needs root and BPF"]
fn what_was_sampled_is_answered_in_several_forms() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    let marks = Marks::read("known_chain.py");
    let timeline = server.timeline(&["--last", "10m"]);
    for row in timeline.stacks() {
        marks.check(row, |_| false).expect("a known chain");
    }
    let listed = server.ask(&["processes"]);
    let process = &listed["processes"][0];
    assert_eq!(process["pid"], target.pid(), "{listed}");
    assert_eq!(
        (&process["uid"], &process["name"]),
        (&0.into(), &"known_chain.py".into())
    );
    let folded = server.ctl(&["trace", "-o", "-", "-f", "folded"]);
    let folded = String::from_utf8_lossy(&folded.stdout);
    assert!(folded.contains(";h ("), "{folded}");
    let trace = server.ctl(&["trace", "-o", "t.pyebpf"]);
    assert!(trace.status.success());
    assert!(is_closed(&server.directory.path().join("t.pyebpf")));
    let dump = server.ask(&["dump", &target.pid().to_string()]);
    let functions: Vec<_> = dump["threads"][0]["frames"]
        .as_array()
        .expect("frames")
        .iter()
        .map(|frame| frame["function"].clone())
        .collect();
    assert!(functions.contains(&"h".into()), "{dump}");
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn a_recording_raises_the_rate_until_it_is_stopped() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    server.wait_for_samples(1);
    let hz = 500 / slowness();
    let started = server.ask(&["start", "--hz", &hz.to_string(), "--name", "fast"]);
    assert_eq!(
        (&started["id"], &started["state"]),
        (&1.into(), &"running".into())
    );
    let has_rate = |hz: u32| move |status: &Value| (status["hz"] == hz).then_some(());
    server.status_when(has_rate(hz));
    server.wait_for_samples(300);
    let stopped = server.ask(&["stop", "1"]);
    assert_eq!(stopped["state"], "done");
    server.status_when(has_rate(10));
    let time = |name: &str| stopped[name].as_u64().expect("a time") as f64 / 1e6;
    let seconds = time("to_us") - time("from_us");
    let timeline = server.timeline(&["--recording", "1"]);
    let delivered = timeline.count("delivered") as f64;
    // Ten a second is what it has without.
    assert!(delivered > 15.0 * seconds, "{delivered} in {seconds} s");
    let again = server.ctl(&["stop", "1"]);
    assert!(!again.status.success());
    let mark = server.ask(&["mark", "deploy 42"]);
    assert_eq!(mark["name"], "deploy 42");
    assert_eq!(server.ask(&["marks"])["marks"][0]["id"], mark["id"]);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_chunk_is_a_minute_and_the_trace_goes_on_over_it() {
    let target = busy();
    let server = Server::start(machine(), &target, &[]);
    // The next chunk begins before the first is closed.
    server.status_when(|_| {
        let chunks = server.chunks();
        (chunks.len() > 1 && is_closed(&chunks[0])).then_some(())
    });
    let timeline = server.timeline(&[]);
    let thread = &timeline.threads[0];
    let end = thread.rows.last().expect("a row").time;
    assert!(timeline.threads.len() == 1 && end > 50e6, "{end}");
    Marks::read("known_chain.py")
        .check(timeline.stacks().next().expect("a row"), |_| false)
        .expect("a known chain");
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn over_tcp_a_token_is_needed() {
    let target = busy();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let directory = crate::support::scratch::Scratch::new();
    let token = directory.path().join("token");
    fs::write(&token, "0123456789abcdef0123456789abcdef\n").expect("a new file");
    let (listen, token) = (address.to_string(), token.display().to_string());
    let options = ["--listen", &listen, "--token-file", &token];
    let server = Server::start(machine(), &target, &options);
    let ask = |header: &str| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let request = format!(
            "GET /api/v1/status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(ask("").starts_with("HTTP/1.1 401 "));
    let right = ask("Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n");
    assert!(right.starts_with("HTTP/1.1 200 "), "{right}");
    drop(server);
}
