// SPDX-License-Identifier: MIT OR Apache-2.0

//! Marks that a server sets by itself.

use serde_json::Value;

use crate::serve::server::Server;
use crate::support::machine::machine;
use crate::support::target::Target;

/// Waits until the server has set a mark, and returns it with all its details.
fn first_mark(server: &Server) -> Value {
    server.status_when(|status| status["marks"].get(0).map(|_| ()));
    let marks = server.ask(&["marks"]);
    marks["marks"][0].clone()
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
    server.status_when(|status| {
        let now = status["now_us"].as_u64().expect("a time");
        let at = mark["at_us"].as_u64().expect("a time");
        (now > at + 5_000_000).then_some(())
    });
    let marks = server.ask(&["marks"]);
    assert_eq!(marks["marks"].as_array().map(Vec::len), Some(1), "{marks}");
    let (status, said) = server.end();
    assert!(status.success() && !said.contains("blocked"), "{said}");
}
