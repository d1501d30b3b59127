// SPDX-License-Identifier: MIT OR Apache-2.0

//! One check and its result.

use serde::Serialize;

/// The result of a check, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckResult {
    /// Nothing is in the way of recording.
    Ok,
    /// The check could not find out.
    Unknown,
    /// Recording works only in part, or may not work.
    Limited,
    /// Recording does not work.
    Missing,
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A name that stays the same from version to version.
    pub id: &'static str,
    /// The result.
    pub result: CheckResult,
    /// What was found, and where.
    pub evidence: String,
    /// What to do about it; `None` when there is nothing to do.
    pub remedy: Option<String>,
}

impl Check {
    pub(super) fn ok(id: &'static str, evidence: impl Into<String>) -> Self {
        Self {
            id,
            result: CheckResult::Ok,
            evidence: evidence.into(),
            remedy: None,
        }
    }

    pub(super) fn wrong(
        id: &'static str,
        result: CheckResult,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            id,
            result,
            evidence: evidence.into(),
            remedy: Some(remedy.into()),
        }
    }
}
