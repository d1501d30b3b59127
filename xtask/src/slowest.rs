// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long each test of a run took, as the test programs print it, and which were the
//! slowest.

use std::fmt;
use std::time::Duration;

/// How many tests are named at the end of a run.
const SHOWN: usize = 10;

/// Options of a Rust test program that print the time of each test. A stable one accepts
/// them only with [`VARIABLE`] in its environment.
pub(crate) const OPTIONS: [&str; 2] = ["-Zunstable-options", "--report-time"];
/// Allows [`OPTIONS`], with the value 1.
pub(crate) const VARIABLE: &str = "RUSTC_BOOTSTRAP";
/// Has cargo start test programs with [`VARIABLE`], but nothing else: compilers and build
/// scripts see it too, and all would be built anew.
pub(crate) const RUNNER: &str = r#"target."cfg(all())".runner=["env","RUSTC_BOOTSTRAP=1"]"#;

/// The tests of one run whose time is known, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    tests: Vec<(String, Duration)>,
    /// The test whose time comes next.
    named: Option<String>,
}

impl Times {
    /// Reads one line that a Rust test program prints with [`OPTIONS`]:
    /// `test name ... ok <0.193s>`. What a test itself prints stands before its result.
    pub(crate) fn read(&mut self, line: &str) {
        let parts = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "));
        let result = match parts {
            Some((name, result)) => {
                self.named = Some(name.to_owned());
                result
            }
            None => line,
        };
        let seconds: Option<f64> = ["ok <", "FAILED <"]
            .iter()
            .find_map(|start| result.strip_prefix(start))
            .and_then(|rest| rest.strip_suffix("s>"))
            .and_then(|seconds| seconds.parse().ok());
        if seconds.is_some() {
            self.add(seconds);
        }
    }

    /// Reads one line of a run of Node's tests: `ok 3 - name`, and below it
    /// `duration_ms: 14.2`.
    pub(crate) fn read_tap(&mut self, line: &str) {
        let line = line.trim_start();
        if line.starts_with("ok ") || line.starts_with("not ok ") {
            self.named = line.split_once(" - ").map(|(_, name)| name.to_owned());
        } else if let Some(milliseconds) = line.strip_prefix("duration_ms: ") {
            let milliseconds = milliseconds.parse::<f64>().ok();
            self.add(milliseconds.map(|it| it / 1000.0));
        }
    }

    fn add(&mut self, seconds: Option<f64>) {
        let took = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if let (Some(name), Some(took)) = (self.named.take(), took) {
            self.tests.push((name, took));
        }
    }
}

/// The tests that took longest.
pub(crate) struct Slowest<'a>(Vec<&'a (String, Duration)>);

impl<'a> Slowest<'a> {
    /// Chooses them from several runs.
    pub(crate) fn new(runs: impl Iterator<Item = &'a Times>) -> Self {
        let mut tests: Vec<_> = runs.flat_map(|run| &run.tests).collect();
        tests.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        tests.truncate(SHOWN);
        Self(tests)
    }
}

impl fmt::Display for Slowest<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() {
            writeln!(out, "The slowest tests:")?;
        }
        for (name, took) in &self.0 {
            writeln!(out, "{:>8.1} s  {name}", took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{SHOWN, Slowest, Times};

    #[test]
    fn times_of_rust_and_of_node_are_compared() {
        let (mut rust, mut node) = (Times::default(), Times::default());
        for line in [
            "test a::quick ... ok <0.001s>",
            "test a::slow ... ok <12.500s>",
            "test a::talkative ... ten rows",
            "FAILED <2.000s>",
            "test a::left_out ... ignored, needs root and BPF",
            "test result: ok. 1 passed; 0 failed",
        ] {
            rust.read(line);
        }
        for line in [
            "    ok 1 - in a browser",
            "      ---",
            "      duration_ms: 2500.5",
        ] {
            node.read_tap(line);
        }
        let shown = Slowest::new([&rust, &node].into_iter()).to_string();
        assert_eq!(
            shown,
            "The slowest tests:\n    12.5 s  a::slow\n     2.5 s  in a browser\n     \
             2.0 s  a::talkative\n     0.0 s  a::quick\n"
        );
    }

    #[test]
    fn only_a_few_are_shown() {
        let mut times = Times::default();
        for number in 0..100 {
            times.read(&format!("test t{number} ... ok <{number}.000s>"));
        }
        let shown = Slowest::new([&times].into_iter()).to_string();
        assert_eq!(shown.lines().count(), SHOWN + 1);
        assert!(shown.contains("99.0 s  t99\n"));
        assert!(Slowest::new([].into_iter()).to_string().is_empty());
    }
}
