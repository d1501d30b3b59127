// SPDX-License-Identifier: MIT OR Apache-2.0

//! The changes of the sampling rate, as many as a trace and a summary are to list.

use sampler_trace::container::info::RateChange;

/// The most changes that are kept. A rate that swings every second would otherwise add
/// 86,400 a day, and every account block of the trace holds all of them.
const MOST: usize = 1024;

/// The changes, in the order of time.
#[derive(Default)]
pub(super) struct RateLog(Vec<RateChange>);

impl RateLog {
    /// Adds a change. If there are too many, the older half is thinned out: of two
    /// neighbours, the one with the lower rate stays, so that the lowest rate is kept.
    pub(super) fn push(&mut self, change: RateChange) {
        if self.0.len() >= MOST {
            let newer = self.0.split_off(MOST / 2);
            let slower = |pair: &[RateChange]| pair.iter().copied().max_by_key(|it| it.period);
            self.0 = self.0.chunks(2).filter_map(slower).collect();
            self.0.extend(newer);
        }
        self.0.push(change);
    }

    /// The changes that are kept.
    pub(super) fn changes(&self) -> &[RateChange] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sampler_trace::model::identifiers::KernelTime;

    use super::*;

    #[test]
    fn however_often_the_rate_swings_the_log_stays_short_and_knows_the_lowest() {
        let mut log = RateLog::default();
        for second in 0..100_000 {
            let lowest = second == 777;
            let milliseconds = if lowest { 800 } else { 10 + second % 2 * 10 };
            log.push(RateChange {
                time: KernelTime(second * 1_000_000_000),
                period: Duration::from_millis(milliseconds),
            });
        }
        let changes = log.changes();
        assert!(changes.len() <= MOST && changes.len() > MOST / 2);
        assert!(changes.is_sorted_by_key(|it| it.time));
        let longest = changes.iter().map(|it| it.period).max();
        assert_eq!(longest, Some(Duration::from_millis(800)));
        assert_eq!(
            changes.last().map(|it| it.time),
            Some(KernelTime(99_999_000_000_000))
        );
    }
}
