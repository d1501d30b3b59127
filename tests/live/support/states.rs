// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long each thread of a timeline was in which state, from the column of states.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::timeline::Thread;

/// Names of the states in the order of their numbers, as docs/waiting.md has them.
pub(crate) const NAMES: [&str; 10] = [
    "none",
    "running",
    "runnable",
    "waiting for GIL",
    "lock",
    "I/O",
    "sleeping",
    "stopped",
    "page fault",
    "waiting",
];

/// Seconds in each state.
pub(crate) type Seconds = BTreeMap<&'static str, f64>;

/// Returns the seconds of one thread in each state, while it had a stack.
pub(crate) fn seconds(thread: &Thread) -> Seconds {
    let mut seconds = Seconds::new();
    for (row, next) in thread.rows.iter().zip(thread.rows.iter().skip(1)) {
        if row.frames.is_empty() {
            continue;
        }
        let duration = next.time - row.time;
        let runs = runs(&row.state);
        for (index, (from, state)) in runs.iter().enumerate() {
            let to = runs.get(index + 1).map_or(duration, |next| next.0);
            *seconds.entry(name(*state)).or_default() += to - from;
        }
    }
    seconds
}

/// Returns the share of the time in a state, from 0 to 1.
pub(crate) fn share(seconds: &Seconds, state: &str) -> f64 {
    let all: f64 = seconds.values().sum();
    seconds.get(state).copied().unwrap_or(0.0) / all.max(f64::MIN_POSITIVE)
}

fn name(number: u64) -> &'static str {
    let name = usize::try_from(number).ok().and_then(|it| NAMES.get(it));
    name.unwrap_or_else(|| panic!("the state {number} does not exist"))
}

/// Parses an element of the column of states: `state`, or
/// `[state, [microseconds, state], …]`. Returns each state with the second of
/// the row from which it holds.
fn runs(state: &Value) -> Vec<(f64, u64)> {
    let number = |value: &Value| value.as_u64().expect("a number");
    match state {
        Value::Array(runs) => {
            let mut runs = runs.iter();
            let first = runs.next().expect("a first state");
            let later = runs.map(|run| (number(&run[0]) as f64 / 1e6, number(&run[1])));
            std::iter::once((0.0, number(first))).chain(later).collect()
        }
        one => vec![(0.0, number(one))],
    }
}
