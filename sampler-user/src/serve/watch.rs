// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is known to find reasons for marks that nobody asks for.

use std::time::Instant;

use crate::cli::config::serve::ServeConfig;
use crate::serve::conditions::Conditions;
use crate::serve::mark_limit::MarkLimit;

/// What sets marks.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) conditions: Conditions,
    pub(super) limit: MarkLimit,
    /// Marks that could not be written.
    pub(super) failed: u64,
    /// Looks at what processes use that had no answer in time.
    pub(super) unanswered: u64,
    /// When the next look is due.
    pub(super) next: Instant,
}

impl Watch {
    pub(super) fn new(config: &ServeConfig, now: Instant) -> Self {
        Self {
            conditions: Conditions::new(&config.conditions),
            limit: MarkLimit::default(),
            failed: 0,
            unanswered: 0,
            next: now,
        }
    }

    /// Returns what became of marks, by names of counters.
    pub(super) fn counts(&self) -> [(&'static str, u64); 3] {
        [
            ("marks_left_out", self.limit.left_out()),
            ("marks_not_written", self.failed),
            ("condition_looks_unanswered", self.unanswered),
        ]
    }

    /// Returns what is wrong, in sentences for users.
    pub(super) fn problems(&self) -> Vec<String> {
        self.limit.problem(Instant::now()).into_iter().collect()
    }
}
