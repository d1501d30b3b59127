// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decides, by the eBPF program's count of lost lifecycle records, when the process table
//! must be compared with the processes that run.

/// The count of lost records at the last check.
#[derive(Default)]
pub(super) struct LostLifecycle {
    count: u64,
    /// Whether it had grown at that check.
    is_doubtful: bool,
}

impl LostLifecycle {
    /// Whether to compare, now that `count` records were lost in total: if the count has
    /// grown, and once more at the next check, because records may have been lost during
    /// the comparison.
    pub(super) fn must_compare(&mut self, count: u64) -> bool {
        let was_doubtful = self.is_doubtful;
        self.is_doubtful = count > self.count;
        self.count = count;
        self.is_doubtful || was_doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_once_more_after_the_last_loss() {
        let mut lost = LostLifecycle::default();
        let answers = [0, 3, 3, 3, 4, 9, 9, 9].map(|count| lost.must_compare(count));
        assert_eq!(answers, [false, true, true, false, true, true, true, false]);
    }
}
