// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collects the tests of a run that failed, with the end of each one's output, so that
//! they can be repeated after everything else that a run prints.

use std::fmt;

/// How many lines of a failed test's output are repeated: its last ones.
const LINES: usize = 12;

/// The tests that failed in one run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    tests: Vec<FailedTest>,
    inside: bool,
}

/// One test that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FailedTest {
    name: String,
    said: Vec<String>,
}

impl Failures {
    /// Reads one line that a Rust test program prints. After its tests, it repeats what
    /// each failed one printed, under `---- name stdout ----`.
    pub(crate) fn read(&mut self, line: &str) {
        let heading = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"));
        if let Some(name) = heading {
            self.add(name);
            self.inside = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.inside = false;
        } else if self.inside && !line.trim().is_empty() && !is_backtrace(line) {
            self.say(line);
        }
    }

    /// Reads one line of a run of Node's tests: `not ok 3 - name`.
    pub(crate) fn read_tap(&mut self, line: &str) {
        let name = line
            .trim_start()
            .strip_prefix("not ok ")
            .and_then(|rest| rest.split_once(" - "));
        if let Some((_, name)) = name {
            self.add(name);
        } else if line.trim_start().starts_with("error: ") && !self.tests.is_empty() {
            self.say(line.trim_start());
        }
    }

    /// The tests that failed, in order.
    pub(crate) fn tests(&self) -> &[FailedTest] {
        &self.tests
    }

    /// The names of the tests that failed, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tests.iter().map(|test| test.name.clone()).collect()
    }

    /// Takes out the tests that are not among `names`, and returns them.
    pub(crate) fn take_all_but(&mut self, names: &[String]) -> Self {
        let (kept, taken) = std::mem::take(&mut self.tests)
            .into_iter()
            .partition(|test| names.contains(&test.name));
        self.tests = kept;
        Self {
            tests: taken,
            inside: false,
        }
    }

    fn add(&mut self, name: &str) {
        self.tests.push(FailedTest {
            name: name.to_owned(),
            ..FailedTest::default()
        });
    }

    fn say(&mut self, line: &str) {
        let Some(test) = self.tests.last_mut() else {
            return;
        };
        if test.said.len() == LINES {
            test.said.remove(0);
        }
        test.said.push(line.to_owned());
    }
}

impl fmt::Display for FailedTest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.name)?;
        for line in &self.said {
            writeln!(out, "    {line}")?;
        }
        Ok(())
    }
}

/// Whether a line is part of a backtrace, which tells less than the message above it.
fn is_backtrace(line: &str) -> bool {
    let line = line.trim_start();
    let numbered = line
        .split_once(": ")
        .is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    numbered || line.starts_with("at ") || line.starts_with("stack backtrace")
}

#[cfg(test)]
mod tests {
    use super::{Failures, LINES};

    fn text(failures: &Failures) -> String {
        failures.tests().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_failed_test_said_is_kept_without_its_backtrace() {
        let mut failures = Failures::default();
        for line in [
            "test wall::a ... FAILED",
            "failures:",
            "",
            "---- wall::a stdout ----",
            "thread 'wall::a' panicked at live/wall.rs:9:5:",
            "too few: 3",
            "stack backtrace:",
            "   0: rust_begin_unwind",
            "             at /rustc/library/std/src/panicking.rs:1:5",
            "",
            "failures:",
            "    wall::a",
            "test result: FAILED. 0 passed; 1 failed",
        ] {
            failures.read(line);
        }
        assert_eq!(
            text(&failures),
            "wall::a\n    thread 'wall::a' panicked at live/wall.rs:9:5:\n    too few: 3\n"
        );
    }

    #[test]
    fn of_a_test_that_says_much_the_end_is_kept() {
        let mut failures = Failures::default();
        failures.read("---- a stdout ----");
        for number in 0..100 {
            failures.read(&format!("line {number}"));
        }
        let text = text(&failures);
        assert!(text.ends_with("    line 99\n"));
        assert_eq!(text.lines().count(), LINES + 1);
    }

    #[test]
    fn nodes_failures_are_named() {
        let mut failures = Failures::default();
        for line in ["ok 1 - a", "    not ok 2 - b", "  error: 'no such element'"] {
            failures.read_tap(line);
        }
        assert_eq!(text(&failures), "b\n    error: 'no such element'\n");
    }
}
