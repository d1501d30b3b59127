//! The summary of a whole recording, and its counts as a trace carries them. It
//! refuses to word it.

use std::time::Duration;

use sampler_common::counter::Counter;

use super::pass_counts::PassCounts;
use crate::account::{Account, Refused};
use crate::bpf::counters::CounterValues;
use crate::symbolize::Counts;
use crate::trace::RateChange;

/// One process in the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSummary {
    /// Thread group id.
    pub tgid: u32,
    /// Its name.
    pub name: String,
    /// Its version of Python.
    pub python: String,
    /// Its pid inside and its container; empty for a process of the host.
    pub inside: String,
    /// Its samples.
    pub account: Account,
}

/// A whole recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How long it took.
    pub elapsed: Duration,
    /// All samples.
    pub total: Account,
    /// The processes that had samples, those that miss most of them first; not all
    /// of very many.
    pub processes: Vec<ProcessSummary>,
    /// How many processes had a sample that is shown.
    pub sampled: usize,
    /// Processes that could not be sampled, with the reason.
    pub not_sampled: Vec<String>,
    /// How samples were taken.
    pub taking: TakingSummary,
    /// How many were asked for, and what they cost.
    pub rate: RateSummary,
    /// What had no name.
    pub names: Counts,
    /// Records that made no sense, and were no samples.
    pub undecodable: u64,
}

/// How the samples of a recording were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TakingSummary {
    /// The kernel side's statistics.
    pub counters: CounterValues,
    /// Passes over waiting threads, where there were any.
    pub passes: Option<PassCounts>,
    /// A pass went on when the recording ended.
    pub is_cut_short: bool,
    /// Why stacks were walked without `bpf_loop`, if they were.
    pub without_loop: Option<String>,
}

/// The rate of a recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateSummary {
    /// Ticks a second on each CPU that were asked for.
    pub hz: u32,
    /// When the rate was another than `hz`.
    pub changes: Vec<RateChange>,
    /// CPU time that sampling took, kernel side and user space.
    pub cost: Duration,
    /// The share of a CPU that it was allowed to take, if there was a limit.
    pub max_cpu: Option<f64>,
}

impl Summary {
    /// Completes the account of all processes by what the kernel side has counted
    /// of the whole: it has samples of processes that user space never heard of.
    pub fn complete(&self, total: &mut Account) {
        let kernel = |counter| self.taking.counters.get(counter);
        total.taken = kernel(Counter::Taken);
        total.lost = kernel(Counter::LostRing);
        for (reason, number) in [
            (
                Refused::WithoutInterpreter,
                kernel(Counter::WithoutInterpreter),
            ),
            (Refused::Unreadable, kernel(Counter::Unreadable)),
        ] {
            total.refused.remove(&reason);
            total.refuse_all(reason, number);
        }
        if self.taking.is_cut_short {
            total.leave_unfinished();
        }
    }

    /// The counts as a document: what the trace carries.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = self.total.counts();
        let cost = u64::try_from(self.rate.cost.as_micros()).unwrap_or(u64::MAX);
        counts.extend([
            ("undecodable_others", self.undecodable),
            ("unknown_frames", self.names.unknown_frames),
            ("read_from_process", self.names.read_from_process),
            ("sources_unanswered", self.names.sources_unanswered),
            ("read_elsewhere", self.names.read_elsewhere),
            ("code_without_lines", self.names.without_lines),
            ("own_cpu_us", cost),
            ("rate_changes", self.rate.changes.len() as u64),
        ]);
        let kernel = Counter::ALL.iter().filter(|it| **it != Counter::Taken);
        counts.extend(kernel.map(|it| (it.name(), self.taking.counters.get(*it))));
        counts.push((
            "walked_without_loop",
            u64::from(self.taking.without_loop.is_some()),
        ));
        if let Some(passes) = &self.taking.passes {
            counts.extend([
                ("passes", passes.run),
                ("passes_skipped", passes.skipped),
                ("passes_failed", passes.failed),
                (
                    "passes_from_user_space",
                    u64::from(passes.from_user_space.is_some()),
                ),
            ]);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_what_the_kernel_side_counts() {
        let mut counters = CounterValues::default();
        for (counter, number) in [
            (Counter::Taken, 20),
            (Counter::LostRing, 5),
            (Counter::WithoutInterpreter, 4),
            (Counter::Unreadable, 1),
        ] {
            counters.set(counter, number);
        }
        let summary = Summary {
            taking: TakingSummary {
                counters,
                ..TakingSummary::default()
            },
            ..Summary::default()
        };
        let mut total = Account {
            taken: 13,
            lost: 1,
            whole: 10,
            refused: [(Refused::WithoutInterpreter, 2)].into(),
            ..Account::default()
        };
        summary.complete(&mut total);
        assert!(total.is_balanced(), "{total:?}");
    }
}
