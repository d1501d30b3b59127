// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads what a guest's job printed: how the eBPF program works there, and which tests
//! passed.

use serde_json::Value;

/// The line before the document that `pyebpf doctor` prints.
pub(super) const DOCTOR: &str = "pyebpf-vm: doctor";
/// The line before the output of the tests.
pub(super) const TESTS: &str = "pyebpf-vm: tests";

/// The result of one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How the eBPF program steps from frame to frame: `bpf_loop`, calls, or none if
    /// `doctor` did not say.
    pub(super) walk: String,
    /// What makes the scans of waiting threads: the kernel, user space, or none if
    /// `doctor` did not say.
    pub(super) scans: String,
    pub(super) passed: u64,
    /// The names of the tests that failed.
    pub(super) failed: Vec<String>,
}

impl Outcome {
    /// Returns the outcome of a guest that did not do its job.
    pub(super) fn of_error(error: anyhow::Error) -> Self {
        Self {
            failed: vec![format!("{error:#}")],
            ..Self::default()
        }
    }
}

/// Reads lines into an outcome.
#[derive(Default)]
pub(super) struct Reader {
    outcome: Outcome,
    document: String,
    part: Part,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Before,
    Doctor,
    Tests,
}

impl Reader {
    /// Reads the next line.
    pub(super) fn take(&mut self, line: &str) {
        match line {
            DOCTOR => self.part = Part::Doctor,
            TESTS => {
                self.part = Part::Tests;
                self.read_document();
            }
            _ => match self.part {
                Part::Before => {}
                Part::Doctor => {
                    self.document.push_str(line);
                    self.document.push('\n');
                }
                Part::Tests => self.read_test(line),
            },
        }
    }

    /// Returns the outcome of all lines read.
    pub(super) fn finish(self) -> Outcome {
        self.outcome
    }

    fn read_document(&mut self) {
        let document: Value = serde_json::from_str(&self.document).unwrap_or_default();
        let checks = document["checks"].as_array().cloned().unwrap_or_default();
        let check = |id: &str| checks.iter().find(|check| check["id"] == id);
        let says = |id: &str, text: &str| {
            let evidence = check(id).and_then(|check| check["evidence"].as_str());
            evidence.map(|evidence| evidence.contains(text))
        };
        let way = |is_first: Option<bool>, first: &str, second: &str| match is_first {
            Some(true) => first.to_owned(),
            Some(false) => second.to_owned(),
            None => "none".to_owned(),
        };
        self.outcome.walk = way(says("stack-walk", "with bpf_loop"), "`bpf_loop`", "calls");
        let is_limited = check("task-iterator").map(|check| check["result"] != "ok");
        self.outcome.scans = way(is_limited, "user space", "the kernel");
    }

    /// Reads a line of the tests' output: the number that passed from `test result: `,
    /// and the name of a failed test from the indented list before that.
    fn read_test(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let passed = counts
                .split(['.', ';'])
                .find_map(|part| part.trim().strip_suffix(" passed")?.parse::<u64>().ok());
            self.outcome.passed += passed.unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("    ")
            && name.contains("::")
            && !name.contains(' ')
            && !self.outcome.failed.iter().any(|known| known == name)
        {
            self.outcome.failed.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"something before
pyebpf-vm: doctor
{
  "checks": [
    { "id": "stack-walk", "result": "ok", "evidence": "without bpf_loop: this kernel is old" },
    { "id": "task-iterator", "result": "limited", "evidence": "from user space" }
  ]
}
pyebpf-vm: tests

running 3 tests
  known chain, 3.9: 40 of 40 rows
test chain::a ... ok
test depth::b ... FAILED

failures:

---- depth::b stdout ----

failures:
    depth::b

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 40 filtered out; finished in 9.14s
"#;

    #[test]
    fn a_job_is_read_from_what_it_prints() {
        let mut reader = Reader::default();
        PRINTED.lines().for_each(|line| reader.take(line));
        let outcome = reader.finish();
        assert_eq!(
            (outcome.walk.as_str(), outcome.scans.as_str()),
            ("calls", "user space")
        );
        assert_eq!(
            (outcome.passed, outcome.failed),
            (2, vec!["depth::b".to_owned()])
        );
    }

    #[test]
    fn a_guest_without_a_doctor_has_no_way() {
        let mut reader = Reader::default();
        reader.take(TESTS);
        assert_eq!(reader.finish().walk, "none");
    }
}
