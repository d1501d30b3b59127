// SPDX-License-Identifier: MIT OR Apache-2.0

//! The target `dump_states.py`, whose threads are each in a state of their own.

use tests::interpreters::Interpreter;

use crate::support::dumped::{Dumped, dump};
use crate::support::machine::Machine;
use crate::support::marks::{Marks, names};
use crate::support::target::Target;
use crate::support::timeline::{Frame, Row};

/// The threads of `dump_states.py`, and the state that each of them reaches.
pub(crate) const THREADS: [(&str, &str); 10] = [
    ("MainThread", "lock"),
    ("sleeper", "sleeping"),
    ("locked", "lock"),
    ("eventful", "lock"),
    ("receiver", "I/O"),
    ("selector", "I/O"),
    ("poller", "I/O"),
    ("hasher", "running"),
    ("wanting", "waiting for GIL"),
    ("holder", "running"),
];

/// The functions through which `threading` calls a thread's target.
pub(crate) const THREAD: [&str; 3] = ["_bootstrap", "_bootstrap_inner", "run"];

/// The maximum number of looks at a target until it is as expected. A look needs some
/// milliseconds, about as long as a thread needs to get to its state.
const LOOKS: usize = 200;

/// Looks at a target until it is as expected. Returns the last error if it never is.
pub(crate) fn until<T>(mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let mut last = look();
    for _ in 1..LOOKS {
        if last.is_ok() {
            break;
        }
        last = look();
    }
    last
}

/// Returns a target whose threads are all in their states, and a dump of it.
pub(crate) fn target_in_all_states(
    machine: &Machine,
    interpreter: &Interpreter,
) -> Result<(Target, Dumped), String> {
    let mut target = Target::start::<&str>(interpreter, "dump_states.py", &[]);
    until(|| {
        let dump = dump(machine, target.pid())?;
        expect_states(&dump, |name| match name {
            "holder" => &["I/O"],
            "wanting" => &["sleeping", "running", "runnable", "waiting for GIL"],
            "hasher" => &["running", "runnable"],
            _ => &[],
        })
    })?;
    target.say("go");
    let dump = until(|| {
        let dump = dump(machine, target.pid())?;
        expect_states(&dump, |name| match name {
            "holder" | "hasher" => &["running", "runnable"],
            _ => &[],
        })?;
        Ok(dump)
    })?;
    Ok((target, dump))
}

/// Checks that each thread is in the state of [`THREADS`], or in one of `instead`.
fn expect_states(
    dump: &Dumped,
    instead: impl Fn(&str) -> &'static [&'static str],
) -> Result<(), String> {
    for (name, state) in THREADS {
        let thread = dump.thread(name)?;
        let is_right = match instead(name) {
            [] => thread.state == state,
            others => others.contains(&thread.state.as_str()),
        };
        if !is_right {
            return Err(format!("{name} is not {state}: {thread:?}"));
        }
    }
    Ok(())
}

/// Checks that the thread `name` of `dump_states.py` can have this stack.
pub(crate) fn check_row(name: &str, row: &Row, marks: &Marks) -> Result<(), String> {
    if !THREADS.iter().any(|(known, _)| *known == name) {
        return Err(format!("a thread too many: {name}"));
    }
    marks.check(row, Frame::is_library)?;
    let (outer, inner): (&[_], &[_]) = match name {
        "MainThread" => (&["<module>"], &["wait", "wait"]),
        "eventful" => (&THREAD, &["work", "eventful", "wait", "wait"]),
        role => (&THREAD, &["work", role]),
    };
    let expected: Vec<&str> = outer.iter().chain(inner).copied().collect();
    let found = names(row);
    (found == expected)
        .then_some(())
        .ok_or_else(|| format!("{name} is not in {expected:?} but in {found:?}"))
}
