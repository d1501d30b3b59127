// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the server answers, with and without a recorder.

use std::time::{Duration, Instant};

use sampler_serve::front::config::Limits;
use sampler_serve::protocol::command::RecorderCommand;

use crate::chunks::{OURS, THEIRS};
use crate::server::{JSON, Server, Setup};

#[test]
fn the_status_says_how_everything_is() {
    let server = Server::start();
    let status = server.get("/api/v1/status").json();
    assert_eq!(status["program"], "pyebpf 0.1.0");
    assert_eq!(status["mode"], "wall");
    assert_eq!(
        (&status["hz"], &status["base_hz"]),
        (&10.into(), &10.into())
    );
    assert_eq!(status["kept_from_us"], server.begin_s * 1_000_000);
    assert_eq!(status["recorder"]["state"], "running");
    assert_eq!(status["recorder"]["pid"], 4711);
    assert_eq!(status["disk"]["chunks"], 3);
    assert_eq!(status["disk"]["bytes"], 12_345);
    assert_eq!(status["disk"]["max_bytes"], 256 << 20);
    assert_eq!(status["problems"][0], "the disk is slow");
    assert_eq!(status["counters"]["taken"], 1000);
}

#[test]
fn a_recording_goes_from_start_to_stop() {
    let server = Server::start();
    let body = format!("{{\"hz\":100,\"pids\":[{OURS}],\"name\":\"slow login\"}}");
    let started = server.post("/api/v1/recordings", &body);
    assert_eq!(started.status, 201);
    assert_eq!(started.header("location"), Some("/api/v1/recordings/1"));
    let entry = started.json();
    assert_eq!(
        (&entry["id"], &entry["state"]),
        (&1.into(), &"running".into())
    );
    assert_eq!(
        (&entry["hz"], &entry["name"]),
        (&100.into(), &"slow login".into())
    );
    assert_eq!(server.get("/api/v1/recordings/1").json(), entry);
    assert_eq!(
        server.get("/api/v1/recordings").json()["recordings"][0],
        entry
    );
    assert_eq!(server.get("/api/v1/status").json()["recordings"][0], entry);

    let stopped = server.post("/api/v1/recordings/1/stop", "");
    assert_eq!(
        (stopped.status, &stopped.json()["state"]),
        (200, &"done".into())
    );
    assert_eq!(server.post("/api/v1/recordings/1/stop", "{}").status, 409);
    assert_eq!(server.post("/api/v1/recordings/9/stop", "").status, 404);
    let deleted = server.ask("DELETE", "/api/v1/recordings/1", &[JSON]);
    assert_eq!(
        (deleted.status, deleted.json()["deleted"].clone()),
        (200, 1.into())
    );
    assert_eq!(server.get("/api/v1/recordings/1").status, 404);
    let deleted = server.ask("DELETE", "/api/v1/recordings/1", &[JSON]);
    assert_eq!(deleted.status, 404);
}

#[test]
fn what_the_recorder_refuses_has_its_status_and_its_sentence() {
    let server = Server::start();
    let refused = server.post("/api/v1/recordings", "{\"hz\":0}");
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"], "hz is 0; use 1 or more");
    for _ in 0..2 {
        assert_eq!(server.post("/api/v1/recordings", "").status, 201);
    }
    let limit = server.post("/api/v1/recordings", "");
    assert_eq!(limit.status, 429);
    assert!(limit.header("retry-after").is_some());
}

#[test]
fn requests_that_make_no_sense_are_told_why() {
    let server = Server::start();
    for (path, part) in [
        ("/api/v1/status?verbose=1", "unknown parameter: verbose"),
        ("/api/v1/trace?proces=app", "unknown parameter: proces"),
        ("/api/v1/trace?last=10x", "last=10x"),
        ("/api/v1/trace?last=1m&to=@5", "last cannot be combined"),
        ("/api/v1/trace?from=@2&to=@1", "from is not before to"),
        ("/api/v1/trace?format=exe", "exe: unknown format"),
        (
            "/api/v1/trace?process=(",
            "process is not a regular expression",
        ),
        (
            "/api/v1/trace?follow=1&format=svg",
            "follow=1 needs format=pyebpf",
        ),
        ("/api/v1/trace?source=2", "source=2"),
        ("/api/v1/dump", "pid=PID is missing"),
        ("/api/v1/dump?pid=-1", "pid=-1"),
        ("/api/v1/trace?pid=%", "not encoded"),
    ] {
        let response = server.get(path);
        let error = response.json()["error"].clone();
        let text = error.as_str().expect("a sentence");
        assert!(
            response.status == 400 && text.contains(part),
            "{path}: {text}"
        );
    }
    for (body, part) in [
        ("{\"herz\":100}", "unknown field `herz`"),
        ("{\"hz\":\"100\"}", "invalid type"),
        ("{\"hz\":100", "EOF"),
        ("{\"name\":\"a\\u0000b\"}", "control characters"),
    ] {
        let response = server.post("/api/v1/recordings", body);
        let text = response.text();
        assert!(
            response.status == 400 && text.contains(part),
            "{body}: {text}"
        );
    }
    let error = server.get("/debug/pprof/profile?seconds=0");
    assert_eq!((error.status, error.header("x-go-pprof")), (400, Some("1")));
    assert!(error.text().starts_with("seconds=0: a profile takes 1 to"));
    assert_eq!(
        error.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}

#[test]
fn marks_are_set_listed_and_given_up() {
    let server = Server::start();
    let body = format!("{{\"name\":\"deploy 42\",\"before_s\":10,\"pid\":{THEIRS}}}");
    let set = server.post("/api/v1/marks", &body);
    assert_eq!(
        (set.status, set.header("location")),
        (201, Some("/api/v1/marks/1"))
    );
    let mark = set.json();
    assert_eq!(
        (&mark["name"], &mark["cause"]),
        (&"deploy 42".into(), &"request".into())
    );
    assert_eq!(server.get("/api/v1/marks").json()["marks"][0], mark);
    assert_eq!(server.get("/api/v1/marks/1").json(), mark);
    let expected = RecorderCommand::Mark(sampler_serve::protocol::command::NewMark {
        name: "deploy 42".into(),
        before_s: 10,
        after_s: 60,
        pid: Some(THEIRS),
    });
    assert!(server.recorder().asked().contains(&expected));
    assert_eq!(server.ask("DELETE", "/api/v1/marks/1", &[JSON]).status, 200);
    assert_eq!(
        server.get("/api/v1/marks").json()["marks"],
        serde_json::json!([])
    );
}

fn patient(answer_ms: u64) -> Server {
    Server::with(Setup {
        limits: Limits {
            answer: Duration::from_millis(answer_ms),
            ..Limits::default()
        },
        ..Setup::default()
    })
}

#[test]
fn a_recorder_that_hangs_does_not_hang_the_server() {
    let server = patient(300);
    server
        .recorder()
        .behaviour
        .lock()
        .expect("no panic")
        .is_silent = true;
    // The status that is known is used for a moment.
    let end = Instant::now() + Duration::from_secs(20);
    while server.get("/readyz").status != 503 {
        assert!(Instant::now() < end, "it is still thought to be there");
    }
    let asked = server.recorder().asked().len();
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(server.post("/api/v1/marks", "{}").status, 503);
        assert_eq!(server.get("/readyz").status, 503);
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "they are refused at once"
    );
    assert!(
        server.recorder().asked().len() <= asked + 1,
        "it is left alone"
    );
    let status = server.get("/api/v1/status").json();
    assert_eq!(status["recorder"]["state"], "restarting");
    assert_eq!(status["hz"], 0);
    assert_eq!(status["disk"]["chunks"], 3);
    // What is kept can be had, and the server lives.
    assert_eq!(server.get("/api/v1/trace?format=folded").status, 200);
    assert_eq!(server.get("/healthz").status, 200);
    assert!(
        server
            .get("/metrics")
            .text()
            .contains("pyebpf_recorder_up 0\n")
    );

    server
        .recorder()
        .behaviour
        .lock()
        .expect("no panic")
        .is_silent = false;
    server.recorder().restart();
    let end = Instant::now() + Duration::from_secs(20);
    while server.get("/readyz").status != 200 {
        assert!(Instant::now() < end, "it does not come back");
    }
    let status = server.get("/api/v1/status").json();
    assert_eq!(status["recorder"]["restarts"], 1);
    assert_eq!(status["recorder"]["pid"], 4712);
}

#[test]
fn a_recorder_that_is_started_again_fails_what_was_asked_before() {
    let server = patient(30_000);
    server
        .recorder()
        .behaviour
        .lock()
        .expect("no panic")
        .is_silent = true;
    let response = std::thread::scope(|scope| {
        let request = scope.spawn(|| server.post("/api/v1/marks", "{\"name\":\"lost\"}"));
        let end = Instant::now() + Duration::from_secs(20);
        while !server
            .recorder()
            .asked()
            .iter()
            .any(|it| matches!(it, RecorderCommand::Mark(_)))
        {
            assert!(Instant::now() < end, "the recorder is not asked");
        }
        server.recorder().restart();
        request.join().expect("no panic")
    });
    assert_eq!(response.status, 503);
    assert!(response.text().contains("restarted before it answered"));
}

#[test]
fn however_many_ask_the_recorder_is_asked_seldom() {
    let server = Server::start();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(server.get("/api/v1/status").status, 200);
                    assert_eq!(server.get("/api/v1/processes").status, 200);
                }
            });
        }
    });
    let halves = began.elapsed().as_millis() as usize / 500 + 1;
    let asked = server.recorder().asked().len();
    assert!(
        asked <= 2 * halves,
        "{asked} questions in {halves} halves of a second"
    );
}

#[test]
fn metrics_come_as_prometheus_asks_for_them() {
    let server = Server::start();
    let plain = server.get("/metrics");
    let plain_type = plain.header("content-type").map(str::to_owned);
    assert_eq!(
        plain_type.as_deref(),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let accept = (
        "Accept",
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    );
    let open = server.ask("GET", "/metrics", &[accept]);
    let open_type = open.header("content-type").map(str::to_owned);
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open_type.as_deref(), Some(expected));
    let (plain, open) = (plain.text(), open.text());
    assert!(open.ends_with("\n# EOF\n") && !plain.contains("EOF"));
    for line in [
        "pyebpf_recorder_up 1",
        "pyebpf_samples_total 1000",
        "pyebpf_account_total{name=\"lost\"} 10",
        "pyebpf_recorder_cpu_seconds_total 0.25",
        "pyebpf_recorder_behind_seconds 0.0015",
        "pyebpf_chunks 3",
        "pyebpf_sampling_rate_hertz 10",
    ] {
        for text in [&plain, &open] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }
    assert!(
        !open.contains("pid") && !open.contains(&OURS.to_string()),
        "{open}"
    );
}
