// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bounds how many marks the server sets by itself, so that a condition that holds and does
//! not in turn cannot fill the state directory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sampler_common::process::ProcessKey;
use sampler_serve::state::entry::MarkCause;

const HOUR: Duration = Duration::from_secs(3600);
/// The most marks of one process in an hour.
const MOST_OF_PROCESS: usize = 5;
/// The most marks of all processes in an hour for one cause, so that processes that are
/// killed all the time leave room for a stall.
const MOST: usize = 20;

/// The marks of the last hour, and those that were left out.
#[derive(Debug, Default)]
pub(super) struct MarkLimit {
    set: VecDeque<(Instant, MarkCause, ProcessKey)>,
    left_out: u64,
    last_left_out: Option<Instant>,
}

impl MarkLimit {
    /// Whether a mark of a process may be set now, which is then counted. One that may not
    /// be set is counted as left out.
    pub(super) fn allow(&mut self, now: Instant, cause: MarkCause, process: ProcessKey) -> bool {
        let is_over = |at: Instant| now.duration_since(at) >= HOUR;
        while self.set.front().is_some_and(|(at, ..)| is_over(*at)) {
            self.set.pop_front();
        }
        let of_process = self.set.iter().filter(|(.., other)| *other == process);
        let of_cause = self.set.iter().filter(|(_, other, _)| *other == cause);
        if of_cause.count() >= MOST || of_process.count() >= MOST_OF_PROCESS {
            self.left_out += 1;
            self.last_left_out = Some(now);
            return false;
        }
        self.set.push_back((now, cause, process));
        true
    }

    /// Returns how many marks were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Says that marks were left out within the last hour, if so.
    pub(super) fn problem(&self, now: Instant) -> Option<String> {
        let last = self.last_left_out?;
        (now.duration_since(last) < HOUR).then(|| {
            format!(
                "{} marks were left out since the recorder began: in an hour it sets \
                 {MOST_OF_PROCESS} of one process and {MOST} for one cause by itself",
                self.left_out
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_some_marks_an_hour_and_all_together_more() {
        let mut limit = MarkLimit::default();
        let start = Instant::now();
        let allowed = |limit: &mut MarkLimit, now, key| {
            (0..100)
                .filter(|_| limit.allow(now, MarkCause::LastWords, ProcessKey(key)))
                .count()
        };
        assert_eq!(limit.problem(start), None);
        assert_eq!(allowed(&mut limit, start, 1), MOST_OF_PROCESS);
        assert_eq!(limit.left_out(), 95);
        let all: usize = (2..100).map(|key| allowed(&mut limit, start, key)).sum();
        assert_eq!(all + MOST_OF_PROCESS, MOST);
        assert!(limit.allow(start, MarkCause::Stall, ProcessKey(100)));
        let soon = start + HOUR - Duration::from_secs(1);
        assert_eq!(allowed(&mut limit, soon, 100), 0);
        let problem = limit.problem(soon).expect("it was just now");
        assert!(problem.contains("marks were left out"), "{problem}");
        let later = start + HOUR;
        assert!(limit.allow(later, MarkCause::LastWords, ProcessKey(1)));
        assert_eq!(limit.problem(later + HOUR), None);
    }
}
