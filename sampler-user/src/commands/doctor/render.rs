// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a diagnosis as text and as JSON.

use std::fmt;

use sampler_trace::escape::escape_for_terminal;
use serde::Serialize;

use crate::commands::doctor::Diagnosis;
use crate::commands::doctor::check::{Check, CheckResult};

/// The version of the JSON schema: raised when a field is removed or changes its meaning,
/// not when one is added.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    verdict: CheckResult,
    checks: &'a [Check],
}

impl Diagnosis {
    /// Returns the diagnosis as one JSON object, which stays the same from version to
    /// version except for new fields and new checks:
    ///
    /// ```json
    /// {
    ///   "schema": 1,
    ///   "verdict": "ok",
    ///   "checks": [
    ///     { "id": "kernel-version", "result": "ok", "evidence": "6.12.0: has …", "remedy": null }
    ///   ]
    /// }
    /// ```
    ///
    /// `result` is `ok`, `unknown`, `limited` (recording works only in part, or may not
    /// work) or `missing` (recording does not work); `verdict` is the worst of them, in
    /// that order. `remedy` is null when there is nothing to do. `evidence` and `remedy`
    /// are for people: their wording may change.
    pub fn to_json(&self) -> String {
        let document = Document {
            schema: SCHEMA,
            verdict: self.verdict(),
            checks: self.checks(),
        };
        serde_json::to_string_pretty(&document).expect("strings and numbers are always JSON")
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check {
            id,
            result,
            evidence,
            remedy,
        } in self.checks()
        {
            let evidence = escape_for_terminal(evidence);
            writeln!(formatter, "{:<8} {id:<29} {evidence}", word(*result))?;
            if let Some(remedy) = remedy {
                writeln!(formatter, "{:<38} do: {}", "", escape_for_terminal(remedy))?;
            }
        }
        formatter.write_str(match self.verdict() {
            CheckResult::Ok => "\nEverything that recording needs is here.\n",
            CheckResult::Unknown => "\nNothing is known to stand in the way of recording.\n",
            CheckResult::Limited => "\nRecording works, within the limits above.\n",
            CheckResult::Missing => "\nRecording does not work here: see what is missing above.\n",
        })
    }
}

fn word(result: CheckResult) -> &'static str {
    match result {
        CheckResult::Ok => "ok",
        CheckResult::Unknown => "unknown",
        CheckResult::Limited => "limited",
        CheckResult::Missing => "missing",
    }
}
