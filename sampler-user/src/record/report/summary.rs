// SPDX-License-Identifier: MIT OR Apache-2.0

//! The summary of a whole recording, and its counts as a trace carries them.

use std::time::Duration;

use sampler_common::account::KernelAccount;
use sampler_common::counter::{Counter, CounterValues};
use sampler_common::fate::Fate;
use sampler_trace::account::Account;
use sampler_trace::container::info::RateChange;

use crate::capture::symbolize::python::SymbolizeCounts;
use crate::record::report::cpu_changes::CpuChanges;
use crate::record::report::scan_counts::ScanCounts;

/// What a pipeline counted over the time of one trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineTotals {
    /// What became of all samples of known processes, and of those that cannot be decoded.
    pub total: Account,
    /// The processes that had samples: the worst first, then the busiest; if there are
    /// very many, not all.
    pub processes: Vec<ProcessSummary>,
    /// How many processes had a sample that is shown.
    pub sampled: usize,
    /// Processes that could not be sampled, with the reason.
    pub not_sampled: Vec<String>,
    /// The changes of the rate.
    pub rate_changes: Vec<RateChange>,
    /// What symbolization could not do.
    pub names: SymbolizeCounts,
    /// Records that could not be decoded, other than samples.
    pub undecodable: u64,
}

/// One process in the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSummary {
    /// Its thread group id.
    pub tgid: u32,
    /// Its name.
    pub name: String,
    /// Its version of CPython.
    pub python: String,
    /// Its pid in its container, and the container, in words; empty for a process of the
    /// host.
    pub inside: String,
    /// What became of its samples.
    pub account: Account,
}

/// A whole recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordingSummary {
    /// How long the recording took.
    pub elapsed: Duration,
    /// What became of all samples.
    pub total: Account,
    /// The processes that had samples, those that miss most of them first; if there are
    /// very many, not all.
    pub processes: Vec<ProcessSummary>,
    /// How many processes had a sample that is shown.
    pub sampled: usize,
    /// Processes that could not be sampled, with the reason.
    pub not_sampled: Vec<String>,
    /// How samples were taken.
    pub capture: CaptureSummary,
    /// The rate that was asked for, and what sampling cost.
    pub rate: RateSummary,
    /// What symbolization could not do.
    pub names: SymbolizeCounts,
    /// Records that could not be decoded, other than samples.
    pub undecodable: u64,
}

/// How the samples of a recording were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptureSummary {
    /// The counters of the eBPF program.
    pub counters: CounterValues,
    /// Scans of waiting threads, if there were any.
    pub scans: Option<ScanCounts>,
    /// Whether a scan was still running when the recording ended.
    pub is_cut_short: bool,
    /// Why stacks were walked without `bpf_loop`, if they were.
    pub without_loop: Option<String>,
    /// The CPUs that came online or went offline.
    pub cpus: CpuChanges,
    /// How long CPUs were online and not sampled, added up.
    pub cpus_not_sampled: Duration,
}

/// The rate of a recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateSummary {
    /// The rate that was asked for, in ticks a second on each CPU.
    pub hz: u32,
    /// The changes of the rate; empty if it was `hz` throughout.
    pub changes: Vec<RateChange>,
    /// The CPU time that sampling used, in the eBPF program and in user space.
    pub cost: Duration,
    /// The share of a CPU that sampling was allowed to use, if there was a limit.
    pub max_cpu: Option<f64>,
}

impl RecordingSummary {
    /// Sums a recording up. Completes the account of all processes with the totals of the
    /// eBPF program, which has counted samples of processes that user space never heard
    /// of.
    pub fn new(
        elapsed: Duration,
        totals: PipelineTotals,
        capture: CaptureSummary,
        rate: RateSummary,
    ) -> Self {
        let mut total = totals.total;
        total.replace_kernel(&KernelAccount::from(&capture.counters));
        if capture.is_cut_short {
            total.leave_unfinished();
        }
        Self {
            elapsed,
            total,
            processes: totals.processes,
            sampled: totals.sampled,
            not_sampled: totals.not_sampled,
            capture,
            rate: RateSummary {
                changes: totals.rate_changes,
                ..rate
            },
            names: totals.names,
            undecodable: totals.undecodable,
        }
    }

    /// Sums up a trace file that ends while the recording goes on. Samples that were taken
    /// and have not arrived belong to the next file. What the eBPF program counted of
    /// processes that user space never heard of is what `counted` does not have yet; it
    /// is brought up to date. The counters in `capture` are those of this file.
    pub fn of_file(
        elapsed: Duration,
        totals: PipelineTotals,
        capture: CaptureSummary,
        rate: RateSummary,
        (counted, now): (&mut KernelAccount, &KernelAccount),
    ) -> Self {
        let mut fates = now.since(counted);
        fates.by_fate[Fate::Taken as usize] = 0;
        let mut total = totals.total.clone();
        total.replace_kernel(&fates);
        let arrived = total.delivered() + total.lost + total.dropped();
        fates.add(Fate::Taken, arrived);
        counted.add_all(&fates);
        let mut summary = Self::new(elapsed, totals, capture, rate);
        total.taken = arrived;
        summary.total = total;
        summary
    }

    /// Sums up the last trace file of a recording. `fates` and the counters in `capture` are
    /// those that no earlier file has.
    pub fn of_last_file(
        elapsed: Duration,
        totals: PipelineTotals,
        capture: CaptureSummary,
        rate: RateSummary,
        fates: &KernelAccount,
    ) -> Self {
        let mut total = totals.total.clone();
        total.replace_kernel(fates);
        if capture.is_cut_short {
            total.leave_unfinished();
        }
        let mut summary = Self::new(elapsed, totals, capture, rate);
        summary.total = total;
        summary
    }

    /// Returns for how many microseconds a CPU was online and not sampled.
    fn cpus_not_sampled(&self) -> u64 {
        u64::try_from(self.capture.cpus_not_sampled.as_micros()).unwrap_or(u64::MAX)
    }

    /// Returns the counts by the names under which the trace carries them.
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
            ("paged_in", self.names.paged_in),
            ("own_cpu_us", cost),
            ("rate_changes", self.rate.changes.len() as u64),
            ("cpus_changed", self.capture.cpus.number() as u64),
            ("cpus_not_sampled_us", self.cpus_not_sampled()),
        ]);
        // The account has the fates of samples already.
        let is_fate = |counter| Fate::ALL.iter().any(|fate| fate.counter() == counter);
        let others = Counter::ALL.into_iter().filter(|it| !is_fate(*it));
        counts.extend(others.map(|it| (it.name(), self.capture.counters.get(it))));
        counts.push((
            "walked_without_loop",
            u64::from(self.capture.without_loop.is_some()),
        ));
        if let Some(scans) = &self.capture.scans {
            counts.extend([
                ("passes", scans.run),
                ("passes_skipped", scans.skipped),
                ("passes_failed", scans.failed),
                (
                    "passes_from_user_space",
                    u64::from(scans.from_user_space.is_some()),
                ),
            ]);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use sampler_trace::account::drop_reason::DropReason;

    use super::*;

    #[test]
    fn the_whole_is_what_the_kernel_side_counts() {
        let mut counters = CounterValues::default();
        for (counter, number) in [
            (Counter::Taken, 20),
            (Counter::Lost, 5),
            (Counter::Unsupported, 4),
            (Counter::TaskUnreadable, 1),
        ] {
            counters.set(counter, number);
        }
        let totals = PipelineTotals {
            total: Account {
                taken: 13,
                lost: 1,
                whole: 10,
                dropped: [(DropReason::Unsupported, 2)].into(),
                ..Account::default()
            },
            ..PipelineTotals::default()
        };
        let capture = CaptureSummary {
            counters,
            ..CaptureSummary::default()
        };
        let summary =
            RecordingSummary::new(Duration::ZERO, totals, capture, RateSummary::default());
        let total = summary.total;
        assert!(total.is_balanced(), "{total:?}");
    }
}
