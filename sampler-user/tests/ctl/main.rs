// SPDX-License-Identifier: MIT OR Apache-2.0

//! `pyebpf ctl` against a running front, which has a double of the recorder behind it.
#![cfg(target_os = "linux")]

#[allow(dead_code)]
#[path = "../../../sampler-serve/tests/server/chunks.rs"]
mod chunks;
#[allow(dead_code)]
#[path = "../../../sampler-serve/tests/server/client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../../../sampler-serve/tests/server/recorder.rs"]
mod recorder;
#[allow(dead_code)]
#[path = "../../../sampler-serve/tests/server/server.rs"]
mod server;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sampler_serve::protocol::command::{NewMark, RecorderCommand as Asked, StartRecording};
use sampler_trace::container::error::TraceError;
use sampler_trace::container::follow::Follower;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::input::read_trace;
use sampler_trace::model::identifiers::KernelTime;
use serde_json::Value;
use tempfile::TempDir;

use crate::chunks::OURS;
use crate::server::Server;

/// What a run of `pyebpf ctl` did.
struct Ran {
    status: i32,
    text: String,
    error: String,
    bytes: Vec<u8>,
}

fn ctl(socket: &Path, words: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyebpf"));
    command.arg("ctl").args(words).arg("--socket").arg(socket);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it can be started");
    Ran {
        status: status.code().expect("no signal"),
        text: String::from_utf8_lossy(&stdout).into_owned(),
        error: String::from_utf8_lossy(&stderr).into_owned(),
        bytes: stdout,
    }
}

/// Returns what is printed by a run that succeeds.
fn ok(server: &Server, words: &[&str]) -> String {
    let ran = ctl(&server.socket, words);
    assert_eq!((ran.status, &*ran.error), (0, ""), "{words:?}");
    ran.text
}

fn json(server: &Server, words: &[&str]) -> Value {
    let text = ok(server, &[words, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns the message of a run that fails with this status.
fn fails(server: &Server, words: &[&str], status: i32) -> String {
    let ran = ctl(&server.socket, words);
    assert_eq!((ran.status, &*ran.text), (status, ""), "{}", ran.error);
    ran.error
}

#[test]
fn status_and_processes_are_tables_or_json() {
    let server = Server::start();
    let text = ok(&server, &["status"]);
    for line in [
        "10 Hz, wall mode, since 20",
        "recorder    running, pid 4711; ",
        "at most 24h and 256 MiB\n",
        " in 3 chunks\n",
        "recordings  0, of which 0 running\n",
        "problem: the disk is slow\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let status = json(&server, &["status"]);
    assert_eq!(
        (&status["hz"], &status["mode"]),
        (&10.into(), &"wall".into())
    );
    let text = ok(&server, &["processes"]);
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("PID  CPU%  THREADS    UID  PYTHON  NAME   COMMAND")
    );
    assert_eq!(
        lines.next(),
        Some("812  12.5        1      0  3.12.1  app    python app.py")
    );
    assert_eq!(lines.count(), 1, "{text}");
    let processes = json(&server, &["processes"]);
    assert_eq!(processes["processes"][0]["pid"], OURS);
}

#[test]
fn a_dump_is_text_or_json() {
    let server = Server::start();
    let pid = OURS.to_string();
    let text = ok(&server, &["dump", &pid]);
    assert!(text.starts_with("process 812: "), "{text}");
    assert!(text.contains("serve"), "{text}");
    let dump = json(&server, &["dump", &pid]);
    assert_eq!(dump["threads"][0]["frames"][0]["function"], "serve");
    let error = fails(&server, &["dump", "1"], 4);
    assert!(error.contains("this process is not sampled"), "{error}");
}

#[test]
fn a_recording_is_started_listed_stopped_and_given_up() {
    let server = Server::start();
    assert!(ok(&server, &["recordings"]).starts_with("no recordings; "));
    let text = ok(
        &server,
        &[
            "start",
            "--hz",
            "100",
            "--pid",
            "812,813",
            "--seconds",
            "60",
            "--name",
            "slow login",
        ],
    );
    assert!(
        text.starts_with("recording 1 started at 100 Hz, until 20"),
        "{text}"
    );
    let asked = server.recorder().asked();
    let wanted = StartRecording {
        hz: Some(100),
        pids: vec![812, 813],
        seconds: Some(60),
        name: "slow login".into(),
    };
    assert!(asked.contains(&Asked::Start(wanted)), "{asked:?}");
    assert_eq!(json(&server, &["start"])["id"], 2);
    let text = ok(&server, &["recordings"]);
    let first = text.lines().nth(1).expect("a recording");
    assert!(first.starts_with(" 1  running  100  20"), "{text}");
    assert!(first.ends_with("Z  1m      812,813  slow login"), "{text}");
    let text = ok(&server, &["stop", "1"]);
    assert!(
        text.contains("`pyebpf ctl trace --recording 1 -o FILE`"),
        "{text}"
    );
    let error = fails(&server, &["stop", "1"], 1);
    assert!(error.contains("it has ended already"), "{error}");
    let text = ok(&server, &["delete", "recording", "1"]);
    assert_eq!(text, "recording 1 is given up\n");
    fails(&server, &["delete", "recording", "1"], 4);
    fails(&server, &["stop", "77"], 4);
}

#[test]
fn a_mark_is_set_listed_and_given_up() {
    let server = Server::start();
    assert!(ok(&server, &["marks"]).starts_with("no marks; "));
    let words = [
        "mark",
        "deploy 42",
        "--before",
        "10",
        "--after",
        "20",
        "-p",
        "812",
    ];
    let text = ok(&server, &words);
    assert!(
        text.starts_with("mark 1 keeps what is sampled from 20"),
        "{text}"
    );
    let wanted = NewMark {
        name: "deploy 42".into(),
        before_s: 10,
        after_s: 20,
        pid: Some(812),
    };
    assert!(server.recorder().asked().contains(&Asked::Mark(wanted)));
    let text = ok(&server, &["marks"]);
    assert!(text.ends_with("  request  812  deploy 42\n"), "{text}");
    assert_eq!(json(&server, &["marks"])["marks"][0]["name"], "deploy 42");
    assert_eq!(
        ok(&server, &["delete", "mark", "1"]),
        "mark 1 is given up\n"
    );
}

fn read(path: &Path) -> Trace {
    read_trace(fs::File::open(path).expect("it was written")).expect("a trace")
}

#[test]
fn a_trace_is_written_in_the_format_of_its_file() {
    let server = Server::start();
    let folder = TempDir::new().expect("a directory");
    let file = |name: &str| folder.path().join(name);
    let save = |words: &[&str], name: &str| {
        let path = file(name);
        let words = [words, &["-o", path.to_str().expect("text")]].concat();
        assert_eq!(ok(&server, &[&["trace"], &*words].concat()), "");
        path
    };
    let all = read(&save(&["--last", "10m"], "all.pyebpf"));
    assert_eq!(all.tracks.processes().len(), 2);
    let json = read(&save(&["--process", "^other"], "other.json.gz"));
    assert_eq!(json.tracks.processes().len(), 1);
    for name in [
        "a.svg",
        "a.flamechart.svg",
        "a.pb.gz",
        "a.html",
        "a.speedscope.json",
    ] {
        let written = fs::metadata(save(&["--pid", "812", "--no-source"], name));
        assert!(written.expect("it was written").len() > 100, "{name}");
    }
    let words = ["trace", "--pid", "812", "-f", "folded", "-o", "-"];
    let folded = ok(&server, &words);
    assert!(
        folded.contains("work_of_app") && !folded.contains("work_of_other"),
        "{folded}"
    );
    let raw = ctl(&server.socket, &["trace", "-o", "-"]).bytes;
    assert_eq!(
        read_trace(&*raw).expect("a trace").tracks.processes().len(),
        2
    );

    ok(&server, &["start", "--pid", "812"]);
    let of_recording = read(&save(&["--recording", "1"], "recording.pyebpf"));
    assert!(of_recording.tracks.processes().len() <= 1);
}

#[test]
fn a_trace_is_followed_until_nobody_reads_it() {
    let server = Server::start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pyebpf"))
        .args(["ctl", "trace", "--follow", "-o", "-", "--socket"])
        .arg(&server.socket)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut output = child.stdout.take().expect("a pipe");
    let mut follower = Follower::default();
    let mut piece = [0; 4096];
    let mut until = |seconds: u64| {
        let has_come = |it: KernelTime| it.0 >= seconds * 1_000_000_000;
        while !follower.complete_until().is_some_and(has_come) {
            let length = output.read(&mut piece).expect("it goes on");
            assert!(length > 0, "it has ended");
            follower.feed(&piece[..length]);
            let ignore = |_| Ok::<(), TraceError>(());
            while follower.next(ignore).expect("a trace").is_some() {}
        }
    };
    until(1180);
    let unix_s = server.begin_s + 180;
    server.write_chunk(4, &chunks::whole(1180, unix_s, 60));
    until(1240);
    drop(output);
    // The next piece is for nobody.
    server.write_chunk(5, &chunks::whole(1240, unix_s + 60, 60));
    assert!(child.wait().expect("a child").success());
    let error = fails(&server, &["trace", "--follow", "-o", "x.pyebpf"], 2);
    assert!(error.contains("use -o -"), "{error}");
}

#[test]
fn a_trace_that_cannot_be_had_leaves_no_file() {
    let server = Server::start();
    let folder = TempDir::new().expect("a directory");
    let path = folder.path().join("x.svg");
    let output = path.to_str().expect("text");
    let of = |words: &[&str], status| {
        let words = [&["trace", "-o", output], words].concat();
        fails(&server, &words, status)
    };
    assert!(of(&["--to", "@1000"], 4).contains("nothing is kept of that time"));
    assert!(of(&["--last", "x"], 2).contains("not a duration"));
    assert!(of(&["--process", "("], 2).contains("regular expression"));
    of(&["-f", "nonsense"], 2);
    of(&["--last", "1m", "--from", "@1"], 2);
    of(&["--recording", "77"], 4);
    fails(&server, &["trace"], 2);
    assert_eq!(fs::read_dir(folder.path()).expect("a directory").count(), 0);
}

#[test]
fn a_trace_that_is_cut_off_leaves_no_file() {
    let folder = TempDir::new().expect("a directory");
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            request.extend(byte);
        }
        let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
        stream.write_all(begun.as_bytes()).expect("it is sent");
    });
    let output = folder.path().join("x.pyebpf");
    let ran = ctl(&socket, &["trace", "-o", output.to_str().expect("text")]);
    server.join().expect("no panic");
    assert_eq!(ran.status, 1);
    assert!(
        ran.error.contains("the server broke off the trace"),
        "{}",
        ran.error
    );
    let left = fs::read_dir(folder.path()).expect("a directory");
    assert_eq!(left.count(), 1, "only the socket");
}

#[test]
fn without_a_server_it_is_said_how_to_start_one() {
    let folder = TempDir::new().expect("a directory");
    let missing = folder.path().join("socket");
    let abandoned = folder.path().join("abandoned");
    drop(UnixListener::bind(&abandoned).expect("a socket"));
    for socket in [&missing, &abandoned] {
        let ran = ctl(socket, &["status"]);
        assert_eq!(ran.status, 1, "{}", ran.error);
        let expected = format!("no server listens on {}; ", socket.display());
        assert!(ran.error.contains(&expected), "{}", ran.error);
    }
}
