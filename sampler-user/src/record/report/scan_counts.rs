// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts of the scans of waiting threads.

/// The scans of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanCounts {
    /// Scans that were run.
    pub run: u64,
    /// Ticks without a scan, because the scan before took too long.
    pub skipped: u64,
    /// Scans that failed.
    pub failed: u64,
    /// The time that all scans took together, in nanoseconds.
    pub nanoseconds: u64,
    /// Why the scans were made from user space, if they were.
    pub from_user_space: Option<String>,
}

impl ScanCounts {
    /// Returns what was counted since the counts were `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            run: self.run.saturating_sub(before.run),
            skipped: self.skipped.saturating_sub(before.skipped),
            failed: self.failed.saturating_sub(before.failed),
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
            from_user_space: self.from_user_space.clone(),
        }
    }
}
