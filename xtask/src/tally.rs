// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts the results of a test run: a line for each step, and the sums.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::failures::Failures;
use crate::not_run::NotRun;
use crate::process::say;
use crate::slowest::{Slowest, Times};

/// Passed, failed and ignored tests of one step. A step that has no tests of its own,
/// such as a formatting check, counts as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    pub(crate) failures: Failures,
    /// Tests that failed and then passed; they count as passed.
    pub(crate) flaky: Failures,
    pub(crate) times: Times,
    pub(crate) not_run: NotRun,
}

impl TestCounts {
    /// Returns the counts of a step that is a single check.
    pub(crate) fn check(succeeded: bool) -> Self {
        Self {
            passed: succeeded.into(),
            failed: (!succeeded).into(),
            ..Self::default()
        }
    }

    /// Adds the numbers of one line of a Rust test program's output, if it is a result:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn read(&mut self, line: &str) {
        self.failures.read(line);
        self.times.read(line);
        self.not_run.read(line);
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|r| r.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl TestCounts {
    /// Replaces the results of the tests that failed by those of `again`, which ran them
    /// once more, if it ran them all.
    pub(crate) fn settle(&mut self, again: &Self) {
        if again.passed + again.failed != self.failed {
            return;
        }
        self.passed += again.passed;
        self.failed = again.failed;
        self.flaky = self.failures.take_all_but(&again.failures.names());
    }

    /// Adds the numbers of one line of a run of Node's tests: `# pass 3`.
    pub(crate) fn read_tap(&mut self, line: &str) {
        self.failures.read_tap(line);
        self.times.read_tap(line);
        let sum = |what| {
            line.strip_prefix(what)
                .and_then(|rest| rest.parse::<u64>().ok())
        };
        self.passed += sum("# pass ").unwrap_or(0);
        self.failed += sum("# fail ").unwrap_or(0) + sum("# cancelled ").unwrap_or(0);
        self.ignored += sum("# skipped ").unwrap_or(0) + sum("# todo ").unwrap_or(0);
    }
}

struct Step {
    name: String,
    took: Duration,
    result: Result<TestCounts, String>,
}

impl Step {
    fn run(name: &str, run: impl FnOnce() -> anyhow::Result<TestCounts>) -> Self {
        let start = Instant::now();
        let result = run().map_err(|error| format!("FAILED: {error:#}"));
        Self {
            name: name.to_owned(),
            took: start.elapsed(),
            result,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:<24} {:>6.1} s  ",
            self.name,
            self.took.as_secs_f64()
        )?;
        match &self.result {
            Ok(counts) => {
                write!(out, "{} passed, {} failed", counts.passed, counts.failed)?;
                match counts.ignored {
                    0 => Ok(()),
                    ignored => write!(out, ", {ignored} ignored"),
                }
            }
            Err(reason) => write!(out, "{reason}"),
        }
    }
}

/// The steps of one run, in order.
#[derive(Default)]
pub(crate) struct Tally {
    steps: Vec<Step>,
    failed: u64,
    passed: u64,
}

impl Tally {
    /// Runs a step and keeps its result. An error counts as one failure, and later
    /// steps still run.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> anyhow::Result<TestCounts>) {
        say(format!("test step: {name}"));
        self.add(Step::run(name, run));
    }

    /// Runs a step in a thread of its own while `others` run, and keeps its result after
    /// theirs. It should be one that can wait for a CPU.
    pub(crate) fn beside(
        &mut self,
        name: &str,
        run: impl FnOnce() -> anyhow::Result<TestCounts> + Send,
        others: impl FnOnce(&mut Self),
    ) {
        say(format!("test step beside the next ones: {name}"));
        let step = thread::scope(|scope| {
            let step = scope.spawn(|| Step::run(name, run));
            others(self);
            step.join()
        });
        self.add(step.unwrap_or_else(|_| Step::run(name, || anyhow::bail!("it panicked"))));
    }

    fn add(&mut self, step: Step) {
        match &step.result {
            Ok(counts) => {
                self.passed += counts.passed;
                self.failed += counts.failed;
            }
            Err(reason) => {
                say(reason);
                self.failed += 1;
            }
        }
        self.steps.push(step);
    }

    /// Records that a step did not run, and why; this is a failure if `required`.
    pub(crate) fn left_out(&mut self, name: &str, reason: &str, required: bool) {
        let word = if required { "FAILED" } else { "not run" };
        self.failed += u64::from(required);
        self.steps.push(Step {
            name: name.to_owned(),
            took: Duration::ZERO,
            result: Err(format!("{word}: {reason}")),
        });
    }

    /// Prints what was not run, what failed, the slowest tests, every step and the sums.
    ///
    /// # Errors
    ///
    /// If anything failed.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        println!();
        let counts = || {
            self.steps
                .iter()
                .filter_map(|step| step.result.as_ref().ok())
        };
        for counts in counts() {
            print!("{}", counts.not_run);
        }
        for counts in counts() {
            for test in counts.flaky.tests() {
                print!("flaky, passed when run again: {test}");
            }
        }
        for counts in counts() {
            for test in counts.failures.tests() {
                print!("FAILED {test}");
            }
        }
        print!("{}", Slowest::new(counts().map(|it| &it.times)));
        for step in &self.steps {
            println!("{step}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        match self.failed {
            0 => Ok(()),
            _ => anyhow::bail!("the tests failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, TestCounts};

    #[test]
    fn results_of_several_test_programs_add_up() {
        let mut counts = TestCounts::default();
        counts.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        counts.read("test something ... ok");
        counts.read("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured");
        let sums = (counts.passed, counts.failed, counts.ignored);
        assert_eq!(sums, (5, 4, 1));
    }

    #[test]
    fn what_passes_when_run_again_is_flaky_and_no_failure() {
        let run = |lines: &[&str]| {
            let mut counts = TestCounts::default();
            lines.iter().for_each(|line| counts.read(line));
            counts
        };
        let first = run(&[
            "---- a stdout ----",
            "too few",
            "---- b stdout ----",
            "wrong",
            "test result: FAILED. 5 passed; 2 failed; 0 ignored",
        ]);
        let again = run(&[
            "---- b stdout ----",
            "wrong again",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored",
        ]);
        let mut settled = first.clone();
        settled.settle(&again);
        assert_eq!((settled.passed, settled.failed), (6, 1));
        assert_eq!(settled.failures.names(), ["b"]);
        assert_eq!(settled.flaky.names(), ["a"]);
        // A second run that did not run them all settles nothing.
        let mut unsettled = first.clone();
        unsettled.settle(&run(&["test result: ok. 1 passed; 0 failed; 0 ignored"]));
        assert_eq!(unsettled, first);
    }

    #[test]
    fn results_of_node_are_read() {
        let mut counts = TestCounts::default();
        for line in [
            "TAP version 13",
            "ok 1 - a # pass",
            "# pass 3",
            "# fail 1",
            "# cancelled 1",
            "# skipped 2",
            "# Subtest: pass",
        ] {
            counts.read_tap(line);
        }
        let sums = (counts.passed, counts.failed, counts.ignored);
        assert_eq!(sums, (3, 2, 2));
    }

    #[test]
    fn a_step_beside_others_counts_as_they_do() {
        let mut tally = Tally::default();
        let (sender, receiver) = std::sync::mpsc::channel();
        let waits = move || {
            receiver.recv()?;
            Ok(TestCounts::check(true))
        };
        tally.beside("waits", waits, |tally| {
            tally.step("says", || {
                sender.send(())?;
                Ok(TestCounts::check(true))
            });
        });
        tally.beside("breaks", || anyhow::bail!("no such program"), |_| {});
        let names: Vec<_> = tally.steps.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["says", "waits", "breaks"]);
        assert_eq!((tally.passed, tally.failed), (2, 1));
    }

    #[test]
    fn a_step_that_cannot_run_is_a_failure() {
        let mut tally = Tally::default();
        tally.step("broken", || anyhow::bail!("no such program"));
        tally.left_out("optional", "nothing to do", false);
        assert_eq!(tally.failed, 1);
        assert!(tally.finish().is_err());
    }
}
