// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collects what the live tests could not try, for want of an interpreter, a package or
//! hardware, so that it can be repeated after everything else that a run prints.

use std::fmt;

/// What was not tried in one run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NotRun {
    tests: Vec<Test>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    name: String,
    reason: String,
    /// What it was not run with; empty if it was not run at all.
    parts: Vec<String>,
}

impl NotRun {
    /// Reads one line that a Rust test program prints: `not run: name (part): reason`, or
    /// without a part. If tests run one after the other, `test name ... ` stands before it.
    pub(crate) fn read(&mut self, line: &str) {
        let line = match line.strip_prefix("test ") {
            Some(rest) => rest.split_once(" ... ").map_or("", |(_, said)| said),
            None => line,
        };
        let said = line
            .strip_prefix("not run: ")
            .and_then(|rest| rest.split_once(": "));
        let Some((test, reason)) = said else {
            return;
        };
        let (name, part) = match test.split_once(" (") {
            Some((name, part)) => (name, part.strip_suffix(')')),
            None => (test, None),
        };
        let known = |it: &&mut Test| it.name == name && it.reason == reason;
        match self.tests.iter_mut().find(known) {
            Some(test) => test.parts.extend(part.map(str::to_owned)),
            None => self.tests.push(Test {
                name: name.to_owned(),
                reason: reason.to_owned(),
                parts: part.into_iter().map(str::to_owned).collect(),
            }),
        }
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Test {
            name,
            reason,
            parts,
        } in &self.tests
        {
            write!(out, "not run: {name}")?;
            if !parts.is_empty() {
                write!(out, " ({})", parts.join(", "))?;
            }
            writeln!(out, ": {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::NotRun;

    #[test]
    fn what_was_not_tried_is_kept_by_test_and_reason() {
        let mut not_run = NotRun::default();
        for line in [
            "test a::b ... not run: a::b (3.8.18): its frames are objects",
            "not run: a::c: no CPU can be switched off",
            "not run: a::b (3.9.18): its frames are objects",
            "test a::d ... ok <1.000s>",
            "test result: ok. 3 passed; 0 failed; 0 ignored",
        ] {
            not_run.read(line);
        }
        assert_eq!(
            not_run.to_string(),
            "not run: a::b (3.8.18, 3.9.18): its frames are objects\n\
             not run: a::c: no CPU can be switched off\n"
        );
    }
}
