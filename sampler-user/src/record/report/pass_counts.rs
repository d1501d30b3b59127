// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts of the passes over waiting threads.

/// The passes of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassCounts {
    /// Passes that were run.
    pub run: u64,
    /// Ticks without a pass, because the pass before took too long.
    pub skipped: u64,
    /// Passes that failed.
    pub failed: u64,
    /// The time that all passes took together, in nanoseconds.
    pub nanoseconds: u64,
    /// Why the passes were made from user space, if they were.
    pub from_user_space: Option<String>,
}
