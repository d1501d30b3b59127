// SPDX-License-Identifier: MIT OR Apache-2.0

//! Marks that a server sets by itself.

use std::process::Command;

use serde_json::Value;

use crate::serve::server::Server;
use crate::support::container::Cgroup;
use crate::support::machine::machine;
use crate::support::not_run::not_run;
use crate::support::target::{Target, scripts};

/// Waits until the server has set a mark, and returns it with all its details.
fn first_mark(server: &Server) -> Value {
    server.status_when(|status| status["marks"].get(0).map(|_| ()));
    let marks = server.ask(&["marks"]);
    marks["marks"][0].clone()
}

/// Waits until the server's clock says `unix_us`.
fn wait_until(server: &Server, unix_us: u64) {
    server.status_when(|status| {
        let now = status["now_us"].as_u64().expect("a time");
        (now > unix_us).then_some(())
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn a_condition_that_holds_sets_one_mark() {
    let target = Target::start::<&str>(machine().interpreter(), "known_chain.py", &[]);
    let options = ["--mark", "cpu>10%  for 2s", "--mark", "threads>500"];
    let server = Server::start(machine(), &target, &options);
    let mark = first_mark(&server);
    assert_eq!(mark["cause"], "condition", "{mark}");
    assert_eq!(mark["name"], "cpu>10% for 2s", "{mark}");
    assert_eq!(mark["pid"], target.pid(), "{mark}");
    let details = mark["details"].as_str().expect("a text");
    assert!(details.starts_with("known_chain.py used "), "{details}");
    // It goes on to hold, and that is no other mark.
    wait_until(&server, mark["at_us"].as_u64().expect("a time") + 5_000_000);
    let marks = server.ask(&["marks"]);
    assert_eq!(marks["marks"].as_array().map(Vec::len), Some(1), "{marks}");
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_that_stands_still_with_work_to_do_is_marked_and_one_at_rest_is_not() {
    let started = |what| Target::start(machine().interpreter(), "stalls.py", &[what]);
    let (mut resting, mut stalling) = (started("rest"), started("stall"));
    let pid = resting.pid().to_string();
    let options = ["--stall", "3s", "--pid", &pid];
    let server = Server::start(machine(), &stalling, &options);
    // It is seen working, for longer than the first scans take.
    server.wait_for_samples(100);
    assert_eq!(server.ask(&["marks"])["marks"], Value::Array(vec![]));
    resting.say("go");
    stalling.say("go");
    let mark = first_mark(&server);
    assert_eq!(mark["cause"], "stall", "{mark}");
    assert_eq!(mark["name"], "stall of stalls.py", "{mark}");
    assert_eq!(mark["pid"], stalling.pid(), "{mark}");
    let details = mark["details"].as_str().expect("a text");
    let sentence = details.lines().next().unwrap_or_default();
    assert!(sentence.contains("1 thread blocked (lock)"), "{details}");
    assert!(sentence.contains("1 thread blocked (I/O)"), "{details}");
    assert!(sentence.contains("2 threads idle"), "{details}");
    assert!(details.contains("\n  keep ("), "{details}");
    assert!(details.contains("\nwait ("), "{details}");
    // A status has the sentence alone.
    let status = server.ask(&["status"]);
    assert_eq!(status["marks"][0]["details"], sentence, "{status}");
    // It goes on to stand still, and the other one too.
    wait_until(&server, mark["at_us"].as_u64().expect("a time") + 8_000_000);
    let marks = server.ask(&["marks"]);
    assert_eq!(marks["marks"].as_array().map(Vec::len), Some(1), "{marks}");
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn a_coroutine_that_sleeps_holds_its_event_loop_up() {
    let mut target = Target::start(machine().interpreter(), "stalls.py", &["loop"]);
    let server = Server::start(machine(), &target, &["--stall", "3s"]);
    server.wait_for_samples(100);
    target.say("go");
    let mark = first_mark(&server);
    assert_eq!(mark["cause"], "stall", "{mark}");
    let details = mark["details"].as_str().expect("a text");
    let sentence = details.lines().next().unwrap_or_default();
    assert!(
        sentence.contains("1 thread blocked (sleeping)"),
        "{details}"
    );
    assert!(details.contains("\n  hold_up ("), "{details}");
}

/// Waits for the mark of a process that was killed, and checks what it keeps. Returns what it
/// says.
fn last_words(server: Server, pid: u32, name: &str, function: &str) -> String {
    let mark = first_mark(&server);
    assert_eq!(mark["cause"], "last-words", "{mark}");
    assert_eq!(mark["name"], name, "{mark}");
    assert_eq!(mark["pid"], pid, "{mark}");
    let details = mark["details"].as_str().expect("a text").to_owned();
    assert!(details.contains(&format!("\n  {function} (")), "{details}");
    // Its last seconds can be had.
    let seconds = |field: &str| mark[field].as_u64().expect("a time") as f64 / 1e6;
    let from = format!("@{:.6}", seconds("at_us") - 5.0);
    let to = format!("@{:.6}", seconds("at_us"));
    let timeline = server.timeline(&["--from", &from, "--to", &to]);
    assert!(timeline.threads.iter().any(|thread| thread.pid == pid));
    let mut frames = timeline.stacks().flat_map(|row| &row.frames);
    assert!(frames.any(|frame| frame.function == function));
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
    details
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_that_is_killed_has_last_words_with_its_killer() {
    let mut killed = Target::start::<&str>(machine().interpreter(), "known_chain.py", &[]);
    let pid = killed.pid();
    let server = Server::start(machine(), &killed, &[]);
    server.wait_for_samples(10);
    let mut killer = Command::new("sh")
        .args(["-c", &format!("kill -9 {pid}")])
        .spawn()
        .expect("there is a shell");
    let sender = killer.id();
    assert!(killer.wait().expect("it ends").success());
    assert!(!killed.wait());
    let said = last_words(server, pid, "SIGKILL of known_chain.py", "h");
    let expected = format!("known_chain.py was killed by SIGKILL from process {sender} (sh)");
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn without_last_words_the_end_of_a_process_is_no_mark() {
    let mut killed = Target::start::<&str>(machine().interpreter(), "known_chain.py", &[]);
    let server = Server::start(machine(), &killed, &["--no-last-words"]);
    server.wait_for_samples(10);
    killed.kill();
    assert!(!killed.wait());
    let ended = server.ask(&["status"])["now_us"].as_u64().expect("a time");
    wait_until(&server, ended + 3_000_000);
    let marks = server.ask(&["marks"]);
    assert_eq!(marks["marks"], Value::Array(vec![]), "{marks}");
    let (status, said) = server.end();
    assert!(status.success(), "{said}");
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_that_ends_itself_has_last_words() {
    for (how, signal, reason) in [
        ("abort", "SIGABRT", "which it sent itself"),
        ("segfault", "SIGSEGV", "which it caused itself"),
    ] {
        let mut target = Target::start(machine().interpreter(), "ends.py", &[how]);
        let pid = target.pid();
        let server = Server::start(machine(), &target, &[]);
        server.wait_for_samples(10);
        target.say("end");
        assert!(!target.wait());
        let said = last_words(server, pid, &format!("{signal} of ends.py"), "work");
        let expected = format!("ends.py was killed by {signal}, {reason} (");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn a_process_that_is_killed_for_memory_has_last_words() {
    let Some(cgroup) = Cgroup::with_memory(96 << 20) else {
        return not_run("", "no cgroup of this host limits memory");
    };
    let script = scripts().join("ends.py");
    let mut command = cgroup.enter();
    command.arg(&machine().interpreter().path);
    command.arg(script).arg("memory");
    let mut target = Target::run(command);
    let pid = target.pid();
    let server = Server::start(machine(), &target, &[]);
    server.wait_for_samples(10);
    target.say("end");
    assert!(!target.wait());
    let said = last_words(server, pid, "SIGKILL of ends.py", "work");
    let expected = format!("ends.py was killed: out of memory when process {pid} (");
    assert!(said.starts_with(&expected), "{said}");
}
