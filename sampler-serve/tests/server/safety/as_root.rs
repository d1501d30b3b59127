// SPDX-License-Identifier: MIT OR Apache-2.0

//! What other users see, and members of the socket's group. `cargo xtask test` runs these
//! as root.

use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;

use crate::chunks::{OURS, THEIRS, USER};
use crate::client::{Response, ask, request};
use crate::server::{GROUP, JSON, Server};

/// Asks as another user, from a thread that is one.
fn as_user(server: &Server, uid: u32, requests: &[String]) -> Vec<Response> {
    let socket = server.socket.clone();
    let requests = requests.to_vec();
    let thread = std::thread::spawn(move || {
        let uid = Uid::from_raw(uid);
        set_thread_res_uid(uid, uid, Uid::from_raw(0)).expect("we are root");
        let connect = || UnixStream::connect(&socket).expect("a connection");
        let all = requests.iter().map(|text| ask(connect(), text));
        all.collect::<Vec<_>>()
    });
    thread.join().expect("no panic")
}

#[test]
#[ignore = "needs root"]
fn others_see_their_own_processes_and_change_nothing() {
    let server = Server::start();
    let name = |path: &str, body: &str| match body {
        "" => request("GET", path, &[], ""),
        body => request("POST", path, &[JSON], body),
    };
    let own = format!("{{\"name\":\"own\",\"pid\":{THEIRS}}}");
    let foreign = format!("{{\"name\":\"foreign\",\"pid\":{OURS}}}");
    for body in [&own, &foreign, r#"{"name":"all"}"#] {
        assert_eq!(server.post("/api/v1/marks", body).status, 201);
    }
    let pids = format!("{{\"pids\":[{THEIRS}]}}");
    assert_eq!(server.post("/api/v1/recordings", &pids).status, 201);
    assert_eq!(server.post("/api/v1/recordings", "{}").status, 201);
    let requests = [
        name("/api/v1/processes", ""),
        name("/api/v1/status", ""),
        name("/api/v1/trace?format=folded", ""),
        name(&format!("/api/v1/trace?format=folded&pid={OURS}"), ""),
        name(&format!("/api/v1/dump?pid={THEIRS}"), ""),
        name(&format!("/api/v1/dump?pid={OURS}"), ""),
        name("/api/v1/marks", r#"{"name":"x"}"#),
        name("/api/v1/recordings", "{}"),
        name("/api/v1/recordings/1/stop", "{}"),
        request("DELETE", "/api/v1/recordings/1", &[JSON], ""),
        request("DELETE", "/api/v1/marks/1", &[JSON], ""),
        name("/metrics", ""),
        name("/debug/pprof/cmdline", ""),
        name("/api/v1/recordings/2", ""),
        name("/api/v1/marks/2", ""),
    ];
    let answers = as_user(&server, USER, &requests);
    let statuses: Vec<_> = answers.iter().map(|it| it.status).collect();
    assert_eq!(
        statuses,
        [
            200, 200, 200, 404, 200, 404, 403, 403, 403, 403, 403, 403, 403, 404, 404
        ]
    );
    let processes = answers[0].text();
    assert!(
        processes.contains("other.py") && !processes.contains("app.py"),
        "{processes}"
    );
    let status = answers[1].json();
    let names = |of: &str, field: &str| {
        let all = status[of].as_array().expect("a list").iter();
        all.map(|it| it[field].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("marks", "name"), ["own"]);
    assert_eq!(names("recordings", "id"), [1]);
    assert_eq!(status["problems"], serde_json::json!([]));
    let folded = answers[2].text();
    assert!(
        folded.contains("work_of_other") && !folded.contains("work_of_app"),
        "{folded}"
    );
    // A user without processes has none in its trace.
    let others = as_user(&server, USER - 1, &requests[..3]);
    assert_eq!(others[0].json(), serde_json::json!({"processes": []}));
    assert_eq!(others[2].status, 404);
}

#[test]
#[ignore = "needs root"]
fn members_of_the_group_see_everything() {
    let server = Server::start();
    let curl = |groups: &str| {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", groups, "curl", "-s"])
            .arg("--unix-socket")
            .arg(&server.socket)
            .arg("http://localhost/api/v1/processes")
            .output()
            .expect("setpriv and curl are installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let member = curl(&format!("--groups={GROUP}"));
    assert!(
        member.contains("app.py") && member.contains("other.py"),
        "{member}"
    );
    let other = curl("--clear-groups");
    assert!(
        !other.contains("app.py") && other.contains("other.py"),
        "{other}"
    );
}
