// SPDX-License-Identifier: MIT OR Apache-2.0

//! Every sample taken is in exactly one place of the account, for each process and for
//! the whole, even where many samples are lost.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use sampler_trace::container::load::read_bytes;
use serde_json::Value;

use crate::support::balance::balance;
use crate::support::machine::{Machine, machine};
use crate::support::recording::{Recording, record, until_busy};
use crate::support::target::Target;
use crate::support::wall::record_wall;

#[test]
#[ignore = "needs root and BPF"]
fn every_sample_is_in_one_place() {
    let machine = machine();
    machine.with_each("account", |interpreter| {
        let target = Target::start::<&str>(interpreter, "hashing.py", &[]);
        let running = record(machine, target.pid(), 1000, Duration::from_millis(700))?;
        balance(&running)?;
        let target = Target::start(interpreter, "waiting.py", &["gil"]);
        let waiting = record_wall(machine, target.pid(), 200, Duration::from_millis(700))?;
        balance(&waiting)?;
        let taken = [&running, &waiting].map(|timeline| timeline.count("taken"));
        Ok(format!("{taken:?} samples taken in cpu and wall mode"))
    });
}

#[test]
#[ignore = "needs root and BPF"]
fn what_is_lost_is_missed_in_its_process() {
    let machine = machine();
    let interpreter = machine.interpreter();
    let targets = [
        Target::start::<&str>(interpreter, "known_chain.py", &[]),
        Target::start::<&str>(interpreter, "known_chain.py", &[]),
    ];
    let pids = targets.each_ref().map(Target::pid);
    let list = format!("{},{}", pids[0], pids[1]);
    let arguments = ["--hz", "1000", "--buffer", "64K", "--pid", &list];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    // Some hundred samples fill the buffer, and nobody reads it.
    recording.signal(Signal::SIGSTOP);
    for pid in pids {
        until_busy(pid, Duration::from_secs(1));
    }
    recording.signal(Signal::SIGCONT);
    for pid in pids {
        until_busy(pid, Duration::from_millis(500));
    }
    recording.signal(Signal::SIGINT);
    let finished = recording.finish();
    let timeline = finished.timeline().expect("there is a timeline");
    balance(&timeline).expect("it balances");
    for pid in pids {
        let counts = &timeline.processes[&pid];
        let of = |name: &str| counts.get(name).copied().unwrap_or(0);
        assert!(of("lost") > 200 && of("shown") > 100, "{counts:?}");
        // A second of CPU time is a thousand samples, less what the lower rate of a
        // busy machine leaves out.
        assert!(of("taken") > 700, "{counts:?}");
    }
    assert!(
        timeline.count("behind_us") > 300_000,
        "{:?}",
        timeline.counts
    );
    assert!(finished.errors.contains("; lost: "), "{}", finished.errors);
    assert!(finished.errors.contains("--buffer"), "{}", finished.errors);
}

/// Returns the account that `pyebpf report` gives of a trace: of the whole, by process,
/// and as text.
fn reported(machine: &Machine, trace: &std::path::Path) -> (Value, Vec<Value>, String) {
    let report = |more: &[&str]| {
        let mut command = Command::new(&machine.pyebpf);
        let output = command.arg("report").arg(trace).args(more).output();
        let output = output.expect("pyebpf ran before");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    };
    let document: Value = serde_json::from_str(&report(&["--json"])).expect("it is JSON");
    let processes = document["processes"].as_array().expect("a list").clone();
    (document["counts"].clone(), processes, report(&[]))
}

fn plain(counts: &Value) -> BTreeMap<String, u64> {
    let counts = counts.as_object().expect("an object").iter();
    counts
        .map(|(name, count)| (name.clone(), count.as_u64().expect("a number")))
        .collect()
}

#[test]
#[ignore = "needs root and BPF"]
fn a_trace_keeps_its_account_when_it_is_converted_and_when_it_is_torn() {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let pid = target.pid().to_string();
    let arguments = ["--hz", "500", "-p", &pid, "-o", "a.pyebpf", "-o", "b.json"];
    let mut recording = Recording::start(machine, &arguments);
    recording.wait_until_it_samples();
    until_busy(target.pid(), Duration::from_millis(300));
    // It writes what it has, including the account.
    recording.signal(Signal::SIGUSR1);
    recording.wait_for_line("snapshot in");
    let torn = std::fs::read(recording.directory.path().join("a.pyebpf")).expect("it is there");
    until_busy(target.pid(), Duration::from_millis(300));
    recording.signal(Signal::SIGINT);
    let finished = recording.finish();
    let timeline = finished.timeline().expect("there is a timeline");
    balance(&timeline).expect("it balances");
    for name in ["a.pyebpf", "b.json"] {
        let (counts, processes, text) = reported(machine, &finished.path(name));
        assert_eq!(plain(&counts), timeline.counts, "{name}");
        let of_process = plain(&processes[0]["counts"]);
        assert_eq!(of_process, timeline.processes[&target.pid()], "{name}");
        let said = format!("recording: {} taken", timeline.count("taken"));
        assert!(text.contains(&said), "{name}: {text}");
    }
    let torn = read_bytes(&torn).expect("it is readable");
    assert!(torn.torn.is_some());
    let counts = &torn.summary.counts;
    let of = |name: &str| counts.get(name).copied().unwrap_or(0);
    assert!(of("delivered") > 50, "{counts:?}");
    assert_eq!(of("taken"), of("delivered") + of("lost") + of("refused"));
    assert_eq!(torn.summary.processes.len(), 1);
    assert_eq!(
        torn.summary.processes[0].counts["delivered"],
        of("delivered")
    );
}
