// SPDX-License-Identifier: MIT OR Apache-2.0

//! Holds the description of the interface against the running server, both ways: every
//! path, method and status in it is provoked, and what comes is as it says; and the server
//! has no path that is not in it.

use std::collections::BTreeSet;
use std::time::Duration;

use sampler_serve::front::config::Limits;
use sampler_serve::front::fixed::OPENAPI;
use sampler_serve::front::routes::ROUTES;
use serde_json::Value;

use crate::chunks::OURS;
use crate::client::{Response, ask, request, tcp};
use crate::schema;
use crate::server::{JSON, Server, Setup};

/// A path and a method of the document, and a status.
type Case = (String, String, u16);

struct Walk {
    server: Server,
    document: Value,
    seen: BTreeSet<Case>,
}

impl Walk {
    /// Sends a request, and holds the answer against the document.
    fn see(&mut self, path: &str, method: &str, url: &str, body: &str, expected: u16) {
        let headers: &[(&str, &str)] = match method {
            "get" => &[],
            _ => &[JSON],
        };
        self.see_with(path, method, url, headers, body, expected);
    }

    fn see_with(
        &mut self,
        path: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
        expected: u16,
    ) {
        let upper = method.to_uppercase();
        let response = self.server.send(&upper, url, headers, body);
        self.judge(path, method, url, &response, expected);
    }

    fn judge(&mut self, path: &str, method: &str, url: &str, response: &Response, expected: u16) {
        let what = format!("{method} {url}: {} {}", response.status, response.text());
        assert_eq!(response.status, expected, "{what}");
        let operation = &self.document["paths"][path][method];
        let described = &operation["responses"][response.status.to_string()];
        assert!(described.is_object(), "not described: {what}");
        let content = described["content"].as_object().expect("content");
        let kind = response.header("content-type").expect("a type");
        let media = content
            .get(kind)
            .unwrap_or_else(|| panic!("{kind}: {what}"));
        if let Some(wanted) = media.get("schema")
            && kind == "application/json"
        {
            let value = response.json();
            let result = schema::check(&self.document, wanted, &value);
            result.unwrap_or_else(|error| panic!("{error}: {what}"));
        }
        for header in described["headers"].as_object().into_iter().flatten() {
            let name = header.0.to_ascii_lowercase();
            assert!(response.header(&name).is_some(), "{name}: {what}");
        }
        let case = (path.to_owned(), method.to_owned(), response.status);
        self.seen.insert(case);
    }

    /// What can go wrong with every request.
    fn see_common(&mut self, path: &str, method: &str) {
        let url = path.replace("{id}", "1");
        let json: &[(&str, &str)] = match method {
            "get" => &[],
            _ => &[JSON],
        };
        let with = |more: (&'static str, &'static str)| [json, &[more]].concat();
        self.see_with(path, method, &format!("{url}?nonsense=1"), json, "", 400);
        self.see_with(
            path,
            method,
            &url,
            &with(("Origin", "http://evil.example")),
            "",
            403,
        );
        self.see_with(path, method, &url, &with(("Host", "evil.example")), "", 421);
        let text = request(&method.to_uppercase(), &url, json, "");
        let response = ask(tcp(self.server.address), &text);
        self.judge(path, method, &url, &response, 401);
        if method != "get" {
            self.see_with(
                path,
                method,
                &url,
                &[("Content-Type", "text/plain")],
                "{}",
                415,
            );
        }
    }
}

const TRACE: &str = "/api/v1/trace";
const RECORDINGS: &str = "/api/v1/recordings";
const RECORDING: &str = "/api/v1/recordings/{id}";
const STOP: &str = "/api/v1/recordings/{id}/stop";
const OF_RECORDING: &str = "/api/v1/recordings/{id}/trace";
const MARKS: &str = "/api/v1/marks";
const MARK: &str = "/api/v1/marks/{id}";
const DUMP: &str = "/api/v1/dump";
const PROFILE: &str = "/debug/pprof/profile";

#[test]
fn the_description_and_the_server_agree() {
    let document: Value = serde_json::from_str(OPENAPI).expect("JSON");
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods.map(|method| (path.clone(), method.clone()))
        })
        .collect();
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.path.to_owned(), route.method.to_lowercase()))
        .collect();
    assert_eq!(described, routes);
    check_references(&document, &document);

    let mut walk = Walk {
        server: Server::start(),
        document,
        seen: BTreeSet::new(),
    };
    for (path, method) in &described {
        walk.see_common(path, method);
    }
    walk_through(&mut walk);
    without_recorder(&mut walk);
    crowded(&mut walk);

    let paths = walk.document["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            for status in operation["responses"].as_object().expect("answers").keys() {
                let status = status.parse().expect("a status");
                let case = (path.clone(), method.clone(), status);
                assert!(walk.seen.contains(&case), "not provoked: {case:?}");
            }
        }
    }
}

/// All that works, and all that does not because of the request.
fn walk_through(walk: &mut Walk) {
    for path in [
        "/",
        "/api/v1/status",
        "/api/v1/processes",
        "/api/v1/openapi.json",
        "/debug/pprof/cmdline",
        "/metrics",
        "/healthz",
        "/readyz",
        TRACE,
    ] {
        walk.see(path, "get", path, "", 200);
    }
    let open = [("Accept", "application/openmetrics-text")];
    walk.see_with("/metrics", "get", "/metrics", &open, "", 200);
    for format in ["json", "svg", "folded", "html", "pprof", "json.gz"] {
        walk.see(TRACE, "get", &format!("{TRACE}?format={format}"), "", 200);
    }
    walk.see(TRACE, "get", &format!("{TRACE}?to=@1"), "", 404);
    walk.see(DUMP, "get", &format!("{DUMP}?pid={OURS}"), "", 200);
    walk.see(DUMP, "get", &format!("{DUMP}?pid=1"), "", 404);
    walk.see(
        PROFILE,
        "get",
        &format!("{PROFILE}?past=1&seconds=600"),
        "",
        200,
    );

    walk.see(RECORDINGS, "get", RECORDINGS, "", 200);
    walk.see(RECORDINGS, "post", RECORDINGS, "{}", 201);
    walk.see(RECORDINGS, "post", RECORDINGS, "{\"seconds\":60}", 201);
    walk.see(RECORDINGS, "post", RECORDINGS, "{}", 429);
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    let first = RECORDING.replace("{id}", "1");
    let none = RECORDING.replace("{id}", "77");
    walk.see(RECORDING, "get", &first, "", 200);
    walk.see(RECORDING, "get", &none, "", 404);
    walk.see(OF_RECORDING, "get", &format!("{first}/trace"), "", 200);
    walk.see(OF_RECORDING, "get", &format!("{none}/trace"), "", 404);
    walk.see(STOP, "post", &format!("{first}/stop"), "", 200);
    walk.see(STOP, "post", &format!("{first}/stop"), "{}", 409);
    walk.see(STOP, "post", &format!("{none}/stop"), "", 404);
    walk.see(RECORDING, "delete", &first, "", 200);
    walk.see(RECORDING, "delete", &first, "", 404);
    walk.see(MARKS, "post", MARKS, "{\"name\":\"deploy\"}", 201);
    walk.see(MARKS, "post", MARKS, "{\"name\":\"too many\"}", 429);
    for (path, url) in [
        (RECORDINGS, RECORDINGS),
        (MARKS, MARKS),
        (STOP, &format!("{first}/stop")),
    ] {
        walk.see(path, "post", url, &long, 413);
    }
    walk.see(MARKS, "get", MARKS, "", 200);
    walk.see(MARK, "get", "/api/v1/marks/1", "", 200);
    walk.see(MARK, "get", "/api/v1/marks/77", "", 404);
    walk.see(MARK, "delete", "/api/v1/marks/1", "", 200);
    walk.see(MARK, "delete", "/api/v1/marks/1", "", 404);
    let mut stream = walk.server.unix();
    let text = request("GET", "/api/v1/events", &[], "");
    stream.write_all(text.as_bytes()).expect("it is sent");
    let (status, headers) = crate::client::Reader::new(stream).head();
    let response = Response {
        status,
        headers,
        body: Vec::new(),
        is_complete: true,
    };
    walk.judge("/api/v1/events", "get", "/api/v1/events", &response, 200);
}

/// What happens while the recorder is away.
fn without_recorder(walk: &mut Walk) {
    walk.server = Server::with(Setup {
        limits: Limits {
            answer: Duration::from_millis(200),
            ..Limits::default()
        },
        ..Setup::default()
    });
    walk.server.recorder().leave();
    // What it said last is used for half a second.
    while walk.server.get("/readyz").status == 200 {}
    walk.see("/readyz", "get", "/readyz", "", 503);
    walk.see("/api/v1/processes", "get", "/api/v1/processes", "", 503);
    walk.see(DUMP, "get", &format!("{DUMP}?pid={OURS}"), "", 503);
    walk.see(RECORDINGS, "post", RECORDINGS, "", 503);
    walk.see(MARKS, "post", MARKS, "", 503);
    walk.see(RECORDING, "delete", "/api/v1/recordings/1", "", 503);
    walk.see(STOP, "post", "/api/v1/recordings/1/stop", "", 503);
    walk.see(MARK, "delete", "/api/v1/marks/1", "", 503);
    walk.see(PROFILE, "get", PROFILE, "", 503);
    walk.see("/api/v1/status", "get", "/api/v1/status", "", 200);
    walk.server.recorder().come_back();
}

/// What happens when there is too much to do.
fn crowded(walk: &mut Walk) {
    walk.server = Server::with(Setup {
        limits: Limits {
            conversions: 0,
            dumps: 0,
            turn: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Setup::default()
    });
    walk.see(RECORDINGS, "post", RECORDINGS, "", 201);
    let of_recording = OF_RECORDING.replace("{id}", "1");
    walk.see(DUMP, "get", &format!("{DUMP}?pid={OURS}"), "", 429);
    walk.see(TRACE, "get", &format!("{TRACE}?format=svg"), "", 429);
    walk.see(
        OF_RECORDING,
        "get",
        &format!("{of_recording}?format=svg"),
        "",
        429,
    );
    walk.see(PROFILE, "get", &format!("{PROFILE}?past=1"), "", 429);
    walk.server = Server::with(Setup {
        limits: Limits {
            streams: 0,
            ..Limits::default()
        },
        ..Setup::default()
    });
    walk.see(RECORDINGS, "post", RECORDINGS, "", 201);
    walk.see(TRACE, "get", TRACE, "", 503);
    walk.see(OF_RECORDING, "get", &of_recording, "", 503);
    walk.see("/api/v1/events", "get", "/api/v1/events", "", 503);
}

/// Makes sure that every reference in the document leads somewhere.
fn check_references(document: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let path = reference.strip_prefix('#').expect("in this document");
                assert!(document.pointer(path).is_some(), "{reference}");
            }
            fields
                .values()
                .for_each(|value| check_references(document, value));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| check_references(document, value)),
        _ => {}
    }
}
