// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who comes in, and who does not.

mod as_root;

use std::time::Duration;

use crate::chunks::{OURS, SECRET};
use crate::client::{Response, ask, request, tcp};
use crate::server::{JSON, Server, Setup, TOKEN};

fn over_tcp(server: &Server, headers: &[(&str, &str)]) -> Response {
    let request = request("GET", "/api/v1/status", headers, "");
    ask(tcp(server.address), &request)
}

#[test]
fn tcp_needs_a_token_and_a_browser_is_told_to_ask_for_it() {
    let server = Server::start();
    let refused = over_tcp(&server, &[]);
    assert_eq!(refused.status, 401);
    let asked = refused.header("www-authenticate");
    assert_eq!(asked, Some("Basic realm=\"pyebpf\""));
    for wrong in [
        "Bearer wrong",
        "Basic ZXhhbXBsZTp3cm9uZw==",
        "Bearer ",
        TOKEN,
    ] {
        assert_eq!(over_tcp(&server, &[("Authorization", wrong)]).status, 401);
    }
    let right = format!("Bearer {TOKEN}");
    let twice = [
        ("Authorization", &*right),
        ("Authorization", "Bearer wrong"),
    ];
    assert_eq!(over_tcp(&server, &twice).status, 401);
    assert_eq!(over_tcp(&server, &[("Authorization", &right)]).status, 200);
    // base64 of `any:correct-horse-battery-staple`.
    let basic = "Basic YW55OmNvcnJlY3QtaG9yc2UtYmF0dGVyeS1zdGFwbGU=";
    assert_eq!(over_tcp(&server, &[("Authorization", basic)]).status, 200);
    // Not even whether the server lives is told without one.
    for path in ["/", "/healthz", "/nothing"] {
        let response = ask(tcp(server.address), &request("GET", path, &[], ""));
        assert_eq!(response.status, 401, "{path}");
    }
}

#[test]
fn a_name_of_somebody_else_is_not_answered() {
    let server = Server::start();
    let status = |host: &str| {
        server
            .ask("GET", "/api/v1/status", &[("Host", host)])
            .status
    };
    for host in [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1",
        "[::1]:1",
        "profiler.example",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in ["rebound.example", "localhost.rebound.example", "8.8.8.8"] {
        assert_eq!(status(host), 421, "{host}");
    }
    // No password is asked for under such a name.
    let response = over_tcp(&server, &[("Host", "rebound.example")]);
    assert_eq!(response.status, 421);
    assert_eq!(response.header("www-authenticate"), None);
    let none = ask(server.unix(), "GET /api/v1/status HTTP/1.1\r\n\r\n");
    assert_eq!(none.status, 400);
}

#[test]
fn pages_of_other_sites_reach_nothing() {
    let server = Server::start();
    let get = |headers: &[(&str, &str)]| server.ask("GET", "/api/v1/status", headers).status;
    assert_eq!(
        get(&[("Host", "localhost:81"), ("Origin", "http://localhost:81")]),
        200
    );
    assert_eq!(get(&[("Origin", "http://evil.example")]), 403);
    assert_eq!(get(&[("Origin", "null")]), 403);
    assert_eq!(get(&[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(get(&[("Sec-Fetch-Site", "same-site")]), 403);
    assert_eq!(get(&[("Sec-Fetch-Site", "same-origin")]), 200);
    let allowed = server.ask("OPTIONS", "/api/v1/marks", &[]);
    assert_eq!(allowed.status, 405);
    assert!(
        allowed
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control"))
    );
}

#[test]
fn changes_need_post_and_json() {
    let server = Server::start();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let headers = [("Content-Type", kind)];
        let response = server.send("POST", "/api/v1/marks", &headers, "{}");
        assert_eq!(response.status, 415, "{kind}");
    }
    assert_eq!(server.ask("DELETE", "/api/v1/marks/1", &[]).status, 415);
    assert_eq!(server.get("/api/v1/recordings/1/stop").status, 405);
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(64 << 10));
    assert_eq!(server.post("/api/v1/marks", &long).status, 413);
    let promised = [JSON, ("Content-Length", "99999999999")];
    let response = server.send("POST", "/api/v1/marks", &promised, "{}");
    assert_eq!(response.status, 413);
    assert!(
        server.recorder().asked().is_empty(),
        "the recorder was not asked"
    );
}

#[test]
fn answers_cannot_be_kept_or_taken_for_something_else() {
    let server = Server::start();
    for path in [
        "/",
        "/api/v1/status",
        "/metrics",
        "/nothing",
        "/api/v1/trace?format=svg",
    ] {
        let response = server.get(path);
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
    }
    let policy = server
        .get("/")
        .header("content-security-policy")
        .map(str::to_owned);
    let policy = policy.expect("a policy");
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "connect-src 'self'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    // Browsers send the first header where they do not ignore the second.
    for (sent, answered) in [
        (&[("Sec-Fetch-Site", "none")][..], Some("same-origin")),
        (&[], None),
    ] {
        let page = server.ask("GET", "/", sent);
        assert_eq!(page.header("cross-origin-opener-policy"), answered);
    }
    let trace = server.get("/api/v1/trace?format=html");
    assert_eq!(trace.header("content-security-policy"), Some("sandbox"));
    let name = trace
        .header("content-disposition")
        .expect("a name")
        .to_owned();
    assert!(
        name.starts_with("attachment; filename=\"pyebpf-web1_"),
        "{name}"
    );
    assert!(name.is_ascii() && name.matches('"').count() == 2, "{name}");
}

#[test]
fn source_text_does_not_leave_over_tcp_unless_it_may() {
    let server = Server::start();
    let json = "/api/v1/trace?format=json";
    let dump = format!("/api/v1/dump?pid={OURS}");
    assert!(server.get(json).text().contains(SECRET));
    assert!(server.get(&dump).text().contains(SECRET));
    assert!(
        !server
            .get(&format!("{json}&source=0"))
            .text()
            .contains(SECRET)
    );
    for (path, rest) in [(json, "work_of_app"), (&dump, "serve")] {
        let response = server.get_tcp(path);
        assert_eq!(response.status, 200, "{path}");
        let text = response.text();
        assert!(!text.contains(SECRET) && text.contains(rest), "{path}");
    }
    let raw = server.get_tcp("/api/v1/trace").body;
    let trace = sampler_trace::container::load::read_bytes(&raw).expect("a trace");
    assert!((0..10).all(|number| {
        let text = trace
            .symbols
            .string(sampler_trace::model::identifiers::StringId(number));
        text != SECRET
    }));
    assert_eq!(server.get_tcp(&format!("{json}&source=1")).status, 403);
    let open = Server::with(Setup {
        source_over_tcp: true,
        ..Setup::default()
    });
    assert!(open.get_tcp(json).text().contains(SECRET));
}

#[test]
fn heads_that_are_too_long_or_too_slow_end_the_connection() {
    let limits = sampler_serve::front::config::Limits {
        head: Duration::from_millis(300),
        ..Default::default()
    };
    let server = Server::with(Setup {
        limits,
        ..Setup::default()
    });
    let long = "x".repeat(20 << 10);
    let response = server.ask("GET", "/healthz", &[("X-Long", &long)]);
    assert_eq!(response.status, 431);
    let many: Vec<_> = (0..100).map(|number| format!("X-{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(server.ask("GET", "/healthz", &many).status, 431);
    // One that sends a head byte by byte, and one that sends nothing.
    for begin in ["GET /healthz HTTP/1.1\r\nHost: loc", ""] {
        let mut stream = server.unix();
        stream.write_all(begin.as_bytes()).expect("it is sent");
        let began = std::time::Instant::now();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("it is closed");
        assert!(began.elapsed() < Duration::from_secs(30), "{begin}");
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = sampler_serve::front::config::Limits {
        body: Duration::from_millis(300),
        ..Default::default()
    };
    let server = Server::with(Setup {
        limits,
        ..Setup::default()
    });
    let headers = [JSON, ("Content-Length", "100")];
    let response = server.send("POST", "/api/v1/marks", &headers, "{");
    assert_eq!(response.status, 408);
}

#[test]
fn what_is_no_http_is_refused() {
    let server = Server::start();
    for text in [
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let status = ask(server.unix(), text).status;
        assert!(matches!(status, 0 | 400 | 421 | 505), "{text:?}: {status}");
    }
    assert_eq!(server.get("/healthz").status, 200);
}
