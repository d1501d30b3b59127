// SPDX-License-Identifier: MIT OR Apache-2.0

//! Says by name what a test could not try here. `cargo xtask test` reads it, and repeats it
//! at the end.

use std::io::Write as _;
use std::thread;

/// The result of a test that was not run with an interpreter begins with this; the reason
/// follows.
pub(crate) const NOT_RUN: &str = "not run: ";

/// Says that the test of this thread was not run: with `part` of what it is meant for, or
/// not at all if `part` is empty.
pub(crate) fn not_run(part: &str, reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let part = match part {
        "" => String::new(),
        part => format!(" ({part})"),
    };
    // Not by `println!`, of which a test that passes shows nothing. A lost line harms nobody.
    let _ = writeln!(std::io::stdout(), "{NOT_RUN}{test}{part}: {reason}");
}
