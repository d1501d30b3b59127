// SPDX-License-Identifier: MIT OR Apache-2.0

//! A service in which one function takes three quarters of the time, and what people's own
//! programs show of it: curl and Go's pprof over TCP, `pyebpf ctl` over the Unix socket.
//! (Prometheus gets no function; `sampler-serve/tests/server/real_clients.rs` has it.)

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::serve::server::Server;
use crate::support::machine::machine;
use crate::support::scratch::Scratch;
use crate::support::target::Target;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// The function, and its part of the time in percent.
const PLANTED: (&str, f64) = ("slow_query", 75.0);
/// How far a client may be off, with some thousand samples.
const OFF: f64 = 5.0;

fn printed(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// Checks that the planted function is on top, with its share.
fn check(client: &str, function: &str, percent: f64) {
    let (planted, expected) = PLANTED;
    assert!(
        function.contains(planted) && (percent - expected).abs() < OFF,
        "{client}: {function} has {percent} %"
    );
}

/// Checks folded stacks, by the innermost function; the state of a thread that waits for a
/// CPU comes after it.
fn check_folded(client: &str, text: &str) {
    let mut values: BTreeMap<&str, f64> = BTreeMap::new();
    for line in text.lines() {
        let (stack, value) = line.rsplit_once(' ').expect("a stack and a number");
        let frame = stack.rsplit(';').find(|part| !part.starts_with('['));
        let frame = frame.expect("a frame");
        let function = frame.split(' ').next().expect("a name");
        *values.entry(function).or_default() += value.parse::<f64>().expect("a number");
    }
    let sum: f64 = values.values().sum();
    let top = values.iter().max_by(|one, other| one.1.total_cmp(other.1));
    let (function, value) = top.unwrap_or_else(|| panic!("{client}: nothing"));
    check(client, function, 100.0 * value / sum);
}

/// Checks what `go tool pprof -top` prints: after a head, the functions with their own time
/// and its share.
fn check_top(text: &str) {
    let mut lines = text.lines().skip_while(|line| !line.contains("flat%"));
    let top = lines
        .nth(1)
        .unwrap_or_else(|| panic!("no function: {text}"));
    let mut words = top.split_whitespace();
    let percent = words.nth(1).expect("a share").trim_end_matches('%');
    let function = words.nth(3).expect("a function");
    check("pprof", function, percent.parse().expect("a number"));
}

#[test]
#[ignore = "needs root and BPF"]
fn each_client_shows_the_planted_function_on_top_with_its_share() {
    let target = Target::start::<&str>(machine().interpreter(), "planted.py", &[]);
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("it is bound").to_string();
    drop(free);
    let directory = Scratch::new();
    let token = directory.path().join("token");
    fs::write(&token, TOKEN).expect("a new file");
    let token = token.display().to_string();
    let options = ["--listen", &address, "--token-file", &token];
    let server = Server::start(machine(), &target, &options);
    let curl = |words: &[&str], path: &str| {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "--fail-with-body", "-H"])
            .arg(format!("Authorization: Bearer {TOKEN}"))
            .args(words)
            .arg(format!("http://{address}{path}"));
        printed(&mut command)
    };
    let change = |path: &str, body: &str| -> Value {
        let words = ["-H", "Content-Type: application/json", "-d", body];
        serde_json::from_str(&curl(&words, path)).expect("JSON")
    };
    // Started and stopped by one request each.
    let started = change("/api/v1/recordings", r#"{"hz":200}"#);
    assert_eq!(started["id"], 1, "{started}");
    server.wait_for_samples(3000);
    let stopped = change("/api/v1/recordings/1/stop", "{}");
    assert_eq!(stopped["state"], "done", "{stopped}");
    check_folded(
        "curl",
        &curl(&[], "/api/v1/recordings/1/trace?format=folded"),
    );
    let words = ["trace", "--recording", "1", "-f", "folded", "-o", "-"];
    let by_ctl = server.ctl(&words).stdout;
    check_folded("ctl", &String::from_utf8_lossy(&by_ctl));
    let go = std::env::var_os("PYEBPF_GO").filter(|path| !path.is_empty());
    let profile = format!("http://any:{TOKEN}@{address}/debug/pprof/profile?past=1&seconds=600");
    let mut pprof = Command::new(go.unwrap_or_else(|| OsString::from("go")));
    pprof
        .args(["tool", "pprof", "-top", &profile])
        .env("PPROF_TMPDIR", directory.path())
        .current_dir(directory.path());
    check_top(&printed(&mut pprof));
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}
