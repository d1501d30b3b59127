// SPDX-License-Identifier: MIT OR Apache-2.0

//! The log: `-v` and `PYEBPF_LOG` say what was done and why a stack is cut, for people or
//! as JSON, and without them nothing is logged.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::machine::{Machine, machine};
use crate::support::paged_out::{PagedOut, is_whole};
use crate::support::programs::library;
use crate::support::recording::{Finished, Recording, TIMELINE, Walk, pace};
use crate::support::scratch::Scratch;
use crate::support::target::Target;

/// Where an event of the eBPF programs comes from.
const KERNEL: &str = "sampler_ebpf: ";
/// Where an event comes from that tells of a sample whose stack is not whole.
const STOPS: &str = "sampler_user::record::stop_log: ";

/// Returns a command that records the process `pid` into [`TIMELINE`].
fn command(machine: &Machine, pid: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new(&machine.pyebpf);
    command
        .args(["-o", TIMELINE, "--max-cpu", "off", "--pid"])
        .arg(pid.to_string())
        .args(arguments);
    command
}

/// Records a script that is known to be sampled.
fn of_known_chain(arguments: &[&str], filters: Option<&str>) -> Finished {
    let machine = machine();
    let target = Target::start::<&str>(machine.interpreter(), "known_chain.py", &[]);
    let mut command = command(machine, target.pid(), arguments);
    command.args(pace(100, std::time::Duration::from_millis(500)));
    if let Some(filters) = filters {
        command.env("PYEBPF_LOG", filters);
    }
    let finished = Recording::spawn(command, Scratch::new()).finish();
    finished.timeline().expect("it is sampled");
    finished
}

/// Returns the value of a field of an event.
fn field<'a>(event: &'a str, name: &str) -> Option<&'a str> {
    let mut words = event.split(' ');
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn address(event: &str, name: &str) -> u64 {
    let value = field(event, name).and_then(|value| value.strip_prefix("0x"));
    let value = value.and_then(|value| u64::from_str_radix(value, 16).ok());
    value.unwrap_or_else(|| panic!("no {name} in {event}"))
}

/// Whether memory of the process is mapped there.
fn is_mapped(pid: u32, address: u64) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    maps.lines().any(|line| {
        let range = line.split_once(' ').and_then(|it| it.0.split_once('-'));
        let (from, to) = range.expect("the kernel's form");
        let [from, to] = [from, to].map(|it| u64::from_str_radix(it, 16).expect("a number"));
        (from..to).contains(&address)
    })
}

#[test]
#[ignore = "needs root and BPF"]
fn a_stack_that_is_cut_is_logged_with_its_reason_and_address() {
    is_logged(Walk::OfThisKernel);
}

#[test]
#[ignore = "needs root and BPF"]
fn a_stack_that_is_cut_is_logged_without_bpf_loop() {
    is_logged(Walk::GlobalFunctions);
}

fn is_logged(walk: Walk) {
    let machine = machine();
    let directory = Scratch::new();
    let library = library(directory.path(), "paged_out.c");
    let paged_out = PagedOut::start(&library, machine.interpreter()).expect("it starts");
    let pid = paged_out.target.pid();
    let mut command = command(machine, pid, &["-vv", "--hz", "200"]);
    if walk == Walk::GlobalFunctions {
        command.env("PYEBPF_WALK", "calls");
    }
    let mut recording = Recording::spawn(command, Scratch::new());
    recording.wait_until_it_shows(|timeline| timeline.stacks().any(is_whole));
    recording.signal(Signal::SIGINT);
    let errors = recording.finish().errors;
    let of = |source: &str, reasons: [&str; 2]| -> Vec<&str> {
        let events = errors.lines().filter(|line| line.contains(source));
        let events = events.filter(|event| field(event, "pid") == Some(&pid.to_string()));
        let is_one = |event: &&str| {
            let reason = field(event, "reason").map(|it| it.trim_matches('"'));
            reason.is_some_and(|reason| reasons.contains(&reason))
        };
        events.filter(is_one).collect()
    };
    // In 3.11 and 3.12 the innermost frame is known to belong to the chain only by its
    // outer ones.
    let shown = of(STOPS, ["cut_by_fault", "unlinked"]);
    let walked = of(KERNEL, ["fault", "unlinked"]);
    assert!(!shown.is_empty() && !walked.is_empty(), "{errors}");
    for event in &shown {
        assert!(event.contains(" DEBUG "), "{event}");
        assert!(is_mapped(pid, address(event, "address")), "{event}");
    }
    for event in &walked {
        assert!(event.contains(" DEBUG "), "{event}");
        // What could not be read is in the frame where the walk ended, or its code.
        assert!(is_mapped(pid, address(event, "frame")), "{event}");
        let same = |it: &&&str| address(it, "address") == address(event, "address");
        assert!(shown.iter().any(|it| same(&it)), "{event}: {shown:?}");
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn as_json_every_line_is_an_object() {
    let finished = of_known_chain(&["-vvv", "--log-format", "json"], None);
    let events: Vec<Value> = finished
        .errors
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for event in &events {
        for name in ["timestamp", "level", "target", "message"] {
            assert!(event[name].is_string(), "{name}: {event}");
        }
    }
    let find = |message: &str| {
        let is_it = |event: &&Value| event["message"] == message;
        let found = events.iter().find(is_it);
        found.unwrap_or_else(|| panic!("{message}: {}", finished.errors))
    };
    let begun = find("sampling has begun");
    assert_eq!(
        (&begun["level"], begun["hz"].is_u64()),
        (&"INFO".into(), true)
    );
    assert!(find("found Python")["pid"].is_u64());
    let written = find(&format!("written: {TIMELINE}"));
    assert_eq!(written["target"], "pyebpf");
}

#[test]
#[ignore = "needs root and BPF"]
fn without_being_asked_nothing_is_logged() {
    let finished = of_known_chain(&[], None);
    assert!(finished.errors.contains("written: "), "{}", finished.errors);
    for word in ["sampler_", "sampling has begun", " INFO ", " DEBUG "] {
        assert!(!finished.errors.contains(word), "{}", finished.errors);
    }
}

#[test]
#[ignore = "needs root and BPF"]
fn the_variable_chooses_modules() {
    let finished = of_known_chain(&[], Some("sampler_user::record=info"));
    let errors = &finished.errors;
    assert!(errors.contains("sampling has begun"), "{errors}");
    assert!(!errors.contains("found Python"), "{errors}");
    assert!(!errors.contains(" DEBUG "), "{errors}");
    let mut refused = Command::new(&machine().pyebpf);
    refused.arg("ps").env("PYEBPF_LOG", "sampler_user=loud");
    let finished = Recording::spawn(refused, Scratch::new()).finish();
    assert_eq!(finished.status.code(), Some(2), "{}", finished.errors);
    let said = "pyebpf: PYEBPF_LOG \"sampler_user=loud\": ";
    assert!(finished.errors.starts_with(said), "{}", finished.errors);
}
