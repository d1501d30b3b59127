// SPDX-License-Identifier: MIT OR Apache-2.0

//! The programs that people ask a server with: curl, Go's pprof, Prometheus. `cargo xtask
//! test` finds or fetches them, and says in variables where they are.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{ask, request};
use crate::server::{Server, TOKEN};

/// How long Prometheus may take until it has scraped.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program or directory that a variable names.
fn named(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable).map(PathBuf::from);
    value.unwrap_or_else(|| panic!("{variable} is not set; cargo xtask test sets it"))
}

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Returns what is printed by a run that succeeds.
fn printed(command: &mut Command) -> String {
    let output = run(command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
#[ignore = "needs curl"]
fn curl_asks_starts_and_downloads() {
    let server = Server::start();
    let folder = TempDir::new().expect("a directory");
    let curl = |words: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body"]).args(words);
        command.current_dir(folder.path());
        command
    };
    let socket = server.socket.to_str().expect("text");
    let local = |words: &[&str]| {
        let words = [&["--unix-socket", socket], words].concat();
        printed(&mut curl(&words))
    };
    let status: Value =
        serde_json::from_str(&local(&["http://localhost/api/v1/status"])).expect("JSON");
    assert_eq!(status["hz"], 10);
    let started = local(&[
        "-d",
        r#"{"hz":100,"seconds":60}"#,
        "-H",
        "Content-Type: application/json",
        "http://localhost/api/v1/recordings",
    ]);
    let started: Value = serde_json::from_str(&started).expect("JSON");
    assert_eq!((&started["id"], &started["hz"]), (&1.into(), &100.into()));
    local(&[
        "-OJ",
        "http://localhost/api/v1/trace?last=10m&format=folded",
    ]);
    let entry = fs::read_dir(folder.path()).expect("a directory").next();
    let path = entry.expect("a file").expect("a file").path();
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(
        name.starts_with("pyebpf-web1") && name.ends_with(".folded"),
        "{name}"
    );
    let folded = fs::read_to_string(&path).expect("text");
    let value = |function: &str| {
        let of_it = folded.lines().filter(|line| line.contains(function));
        let values = of_it.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum::<f64>()
    };
    // Both processes did the same for the same time.
    let (app, other) = (value("work_of_app"), value("work_of_other"));
    assert!(app > 0.0 && (app - other).abs() < 0.02 * app, "{folded}");

    let url = format!("http://{}/api/v1/status", server.address);
    let user = format!("any:{TOKEN}");
    for right in [
        ["-u", &*user],
        ["-H", &*format!("Authorization: Bearer {TOKEN}")],
    ] {
        let text = printed(&mut curl(&[&right[..], &[&url]].concat()));
        assert!(text.contains("\"hz\":10"), "{text}");
    }
    let refused = run(&mut curl(&[&url]));
    // CURLE_HTTP_RETURNED_ERROR
    assert_eq!(refused.status.code(), Some(22));
    let text = String::from_utf8_lossy(&refused.stdout);
    assert!(text.contains("a token is required"), "{text}");
}

#[test]
#[ignore = "needs Go"]
fn pprof_takes_a_profile_with_the_token_as_password() {
    let server = Server::start();
    let folder = TempDir::new().expect("a directory");
    let pprof = |user: &str| {
        let url = format!(
            "http://{user}{}/debug/pprof/profile?past=1&seconds=600",
            server.address
        );
        let mut command = Command::new(named("PYEBPF_GO"));
        command
            .args(["tool", "pprof", "-top", &url])
            .env("PPROF_TMPDIR", folder.path())
            .current_dir(folder.path());
        command
    };
    let top = printed(&mut pprof(&format!("any:{TOKEN}@")));
    // Both processes did the same for the same time.
    for function in ["work_of_app", "work_of_other"] {
        let line = top.lines().find(|line| line.contains(function));
        let line = line.unwrap_or_else(|| panic!("no {function}: {top}"));
        let share = line.split_whitespace().nth(1).expect("a share");
        let share: f64 = share.trim_end_matches('%').parse().expect("a share");
        assert!((share - 50.0).abs() < 1.0, "{top}");
    }
    let refused = run(&mut pprof(""));
    assert!(!refused.status.success());
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("401"), "{error}");
}

/// A Prometheus, until it is dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one that scrapes a server every second.
    fn start(folder: &Path, server: SocketAddr) -> Self {
        let token = folder.join("token");
        fs::write(&token, TOKEN).expect("a file");
        let configuration = folder.join("prometheus.yml");
        let text = format!(
            "scrape_configs:\n- job_name: pyebpf\n  scrape_interval: 1s\n  authorization:\n    \
             credentials_file: {}\n  static_configs:\n  - targets: [\"{server}\"]\n",
            token.display()
        );
        fs::write(&configuration, text).expect("a file");
        // It takes a port, but does not say which it got for 0.
        let free = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = free.local_addr().expect("an address");
        drop(free);
        let log = fs::File::create(folder.join("log")).expect("a file");
        let child = Command::new(named("PYEBPF_PROMETHEUS").join("prometheus"))
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder)
            .stderr(log)
            .spawn()
            .expect("it can be started");
        Self { child, address }
    }

    /// Asks for a value; none before Prometheus has it.
    fn value(&self, query: &str) -> Option<String> {
        let stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let text = request("GET", &format!("/api/v1/query?query={query}"), &[], "");
        let response = ask(stream, &text);
        if response.status != 200 {
            return None;
        }
        let result = &response.json()["data"]["result"][0]["value"][1];
        result.as_str().map(str::to_owned)
    }
}

#[test]
#[ignore = "needs Prometheus"]
fn prometheus_scrapes_with_a_token_and_is_asked_for_what_it_got() {
    let server = Server::start();
    let folder = TempDir::new().expect("a directory");
    let mut prometheus = Prometheus::start(folder.path(), server.address);
    let end = Instant::now() + PATIENCE;
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let up = loop {
        if let Some(up) = prometheus.value("up") {
            break up;
        }
        let has_ended = prometheus.child.try_wait().expect("a child").is_some();
        assert!(!has_ended && Instant::now() < end, "{}", log());
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(up, "1", "{}", log());
    for (query, expected) in [
        ("pyebpf_recorder_up", "1"),
        ("pyebpf_sampling_rate_hertz", "10"),
        ("pyebpf_recorder_restarts_total", "0"),
        ("pyebpf_recorder_behind_seconds", "0.0015"),
    ] {
        assert_eq!(
            prometheus.value(query).as_deref(),
            Some(expected),
            "{query}"
        );
    }
}

#[test]
#[ignore = "needs Prometheus"]
fn promtool_finds_nothing_to_criticize() {
    let server = Server::start();
    let folder = TempDir::new().expect("a directory");
    let metrics = folder.path().join("metrics");
    fs::write(&metrics, server.get("/metrics").body).expect("a file");
    let promtool = named("PYEBPF_PROMETHEUS").join("promtool");
    let input = fs::File::open(&metrics).expect("a file");
    let output = run(Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(input));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
