// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts what became of every sample of a trace, by process and in total, while a
//! recording runs and at its end.

use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_common::account::KernelAccount;
use sampler_common::process::ProcessKey;
use sampler_trace::account::Account;
use sampler_trace::account::cpu_time::CpuTime;
use sampler_trace::account::drop_reason::DropReason;
use sampler_trace::container::info;
use sampler_trace::model::identifiers::{KernelTime, ProcessIndex};

use crate::record::report::summary::ProcessSummary;

/// Closed accounts of each kind that are kept for printing: those of the busiest
/// processes, and of the others those that miss most samples.
const KEPT: usize = 1024;

/// All accounts of a trace.
#[derive(Default)]
pub(super) struct SampleStats {
    open: FxHashMap<ProcessKey, OpenAccount>,
    closed: ClosedAccounts,
    /// Samples that belong to no known process, or cannot be decoded.
    unattributed: Account,
    /// Records that could not be decoded and were no samples.
    undecodable: u64,
}

#[derive(Default)]
struct OpenAccount {
    account: Account,
    /// Whether it has changed since it was written to the trace.
    is_dirty: bool,
    /// The account as it was last written.
    written: Account,
}

/// The accounts of processes that have ended.
#[derive(Default)]
pub(super) struct ClosedAccounts {
    /// The sum of all of them.
    total: Account,
    /// How many of the processes had a sample that is shown.
    sampled: usize,
    listed: Vec<ProcessSummary>,
    /// Accounts that are not in the trace yet.
    unwritten: Vec<info::ProcessCounts>,
}

/// The result over all processes.
pub(super) struct ClosedStats {
    /// The sum of all samples.
    pub(super) total: Account,
    /// How many processes had a sample that is shown.
    pub(super) sampled: usize,
    /// The processes to print: the worst first, then the busiest.
    pub(super) listed: Vec<ProcessSummary>,
    /// Accounts that are not in the trace yet.
    pub(super) unwritten: Vec<info::ProcessCounts>,
    /// Records that could not be decoded and were no samples.
    pub(super) undecodable: u64,
}

impl SampleStats {
    /// Returns the account of a process of which a sample has arrived, `behind` after it
    /// was taken.
    pub(super) fn arrived(&mut self, process: ProcessKey, behind: Duration) -> &mut Account {
        let open = self.open.entry(process).or_default();
        open.is_dirty = true;
        open.account.behind = open.account.behind.max(behind);
        &mut open.account
    }

    /// Counts a sample of a process that is not known.
    pub(super) fn without_process(&mut self) {
        self.unattributed.add_dropped(DropReason::WithoutProcess);
    }

    /// Counts a record that cannot be decoded.
    pub(super) fn undecodable(&mut self, was_sample: bool) {
        if was_sample {
            self.unattributed.add_dropped(DropReason::Undecodable);
        } else {
            self.undecodable += 1;
        }
    }

    /// Returns what user space has counted so far; `taken` is what has arrived.
    pub(super) fn so_far(&self) -> Account {
        let mut total = self.closed.total.clone();
        total.add(&self.unattributed);
        for open in self.open.values() {
            total.add(&open.account);
        }
        total.taken = total.delivered() + total.lost + total.dropped();
        total
    }

    /// Returns the processes of which a sample has arrived since the last
    /// [`SampleStats::changes`].
    pub(super) fn changed(&self) -> Vec<ProcessKey> {
        let open = self.open.iter().filter(|(_, open)| open.is_dirty);
        open.map(|(key, _)| *key).collect()
    }

    /// Sets the CPU time that the kernel has counted of a process so far.
    pub(super) fn set_cpu_time(&mut self, process: ProcessKey, time: CpuTime) {
        if let Some(open) = self.open.get_mut(&process) {
            open.account.cpu = time;
        }
    }

    /// Takes the account of a process, to be completed and closed.
    pub(super) fn take(&mut self, process: ProcessKey) -> Account {
        let open = self.open.remove(&process);
        open.map(|open| open.account).unwrap_or_default()
    }

    /// Closes the account of a process that will have no other sample. `index` is the
    /// number of the process in the trace, if it has one.
    pub(super) fn close(&mut self, index: Option<ProcessIndex>, summary: ProcessSummary) {
        let closed = &mut self.closed;
        closed.total.add(&summary.account);
        closed.sampled += usize::from(summary.account.shown() > 0);
        if let Some(process) = index {
            closed.unwritten.push(of_process(process, &summary.account));
        }
        if summary.account.shown() > 0 || summary.account.missing() > 0 {
            closed.listed.push(summary);
        }
        if closed.listed.len() >= 4 * KEPT {
            closed.prune();
        }
    }

    /// Returns what has changed since the last call, for the trace: the total, without
    /// the samples that are on their way, and the accounts of processes. `kernel` returns
    /// what the eBPF program has counted of a process.
    pub(super) fn changes(
        &mut self,
        time: KernelTime,
        index: impl Fn(ProcessKey) -> Option<ProcessIndex>,
        kernel: impl Fn(ProcessKey) -> KernelAccount,
    ) -> info::Summary {
        let mut total = self.closed.total.clone();
        total.add(&self.unattributed);
        let mut processes = std::mem::take(&mut self.closed.unwritten);
        for (key, open) in &mut self.open {
            if !open.is_dirty {
                total.add(&open.written);
                continue;
            }
            open.is_dirty = false;
            let mut account = open.account.clone();
            account.add_kernel(&kernel(*key));
            account.taken = account.delivered() + account.lost + account.dropped();
            total.add(&account);
            processes.extend(index(*key).map(|index| of_process(index, &account)));
            open.written = account;
        }
        total.taken = total.delivered() + total.lost + total.dropped();
        info::Summary {
            end: time,
            counts: named(&total.counts()),
            processes,
            ..info::Summary::default()
        }
    }

    /// Returns the result, once all processes are closed. The caller must set `taken`,
    /// `lost` and the other numbers that the eBPF program counts in total.
    pub(super) fn finish(mut self) -> ClosedStats {
        self.closed.prune();
        let mut total = self.closed.total;
        total.add(&self.unattributed);
        ClosedStats {
            total,
            sampled: self.closed.sampled,
            listed: self.closed.listed,
            unwritten: self.closed.unwritten,
            undecodable: self.undecodable,
        }
    }
}

impl ClosedAccounts {
    /// Sorts the accounts, worst first, then busiest, and keeps `KEPT` of each kind.
    fn prune(&mut self) {
        let busiest = |of: &ProcessSummary| std::cmp::Reverse(of.account.shown());
        let worst = |of: &ProcessSummary| std::cmp::Reverse(of.account.missing());
        self.listed.sort_by_key(|of| (busiest(of), of.tgid));
        if self.listed.len() > KEPT {
            let mut rest = self.listed.split_off(KEPT);
            rest.sort_by_key(|of| (worst(of), of.tgid));
            rest.truncate(KEPT);
            self.listed.extend(rest);
        }
        self.listed
            .sort_by_key(|of| (worst(of), busiest(of), of.tgid));
    }
}

fn of_process(process: ProcessIndex, account: &Account) -> info::ProcessCounts {
    info::ProcessCounts {
        process,
        counts: named(&account.counts()),
    }
}

/// Converts counters to those of a trace, which own their names.
pub(super) fn named(counts: &[(&'static str, u64)]) -> info::Counts {
    let counts = counts.iter();
    counts
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[cfg(test)]
mod tests {
    use sampler_common::fate::Fate;
    use sampler_common::stop::StopReason;

    use super::*;

    fn summary(tgid: u32, account: Account) -> ProcessSummary {
        ProcessSummary {
            tgid,
            name: "python3".into(),
            python: "3.12.1".into(),
            inside: String::new(),
            account,
        }
    }

    #[test]
    fn ten_thousand_processes_are_counted_and_not_all_kept() {
        let mut stats = SampleStats::default();
        for tgid in 1..=10_000 {
            let key = ProcessKey(u64::from(tgid));
            stats
                .arrived(key, Duration::ZERO)
                .show(StopReason::Complete);
            let mut account = stats.take(key);
            let lost = u64::from(tgid == 5000) * 7;
            let kernel = [(Fate::Taken, 1 + lost), (Fate::Lost, lost)];
            account.add_kernel(&kernel.into_iter().collect());
            assert!(account.is_balanced());
            stats.close(Some(ProcessIndex(tgid)), summary(tgid, account));
        }
        stats.without_process();
        for _ in 0..3 {
            stats.undecodable(false);
        }
        let end = stats.finish();
        assert_eq!(end.undecodable, 3);
        assert_eq!((end.sampled, end.unwritten.len()), (10_000, 10_000));
        assert!(end.listed.len() <= 2 * KEPT);
        assert_eq!(end.listed.first().map(|of| of.tgid), Some(5000));
        let sums = (end.total.taken, end.total.lost, end.total.dropped());
        assert_eq!(sums, (10_007, 7, 1));
    }

    #[test]
    fn what_changed_is_written_once_and_balances() {
        let mut stats = SampleStats::default();
        for key in [1, 2] {
            let account = stats.arrived(ProcessKey(key), Duration::from_millis(3));
            account.show(StopReason::Complete);
            account.add_dropped(DropReason::Late);
        }
        let kernel = |key: ProcessKey| -> KernelAccount {
            let fates = [(Fate::Taken, 100), (Fate::Lost, key.0)];
            fates.into_iter().collect()
        };
        let index = |key: ProcessKey| (key.0 == 1).then_some(ProcessIndex(0));
        let first = stats.changes(KernelTime(9), index, kernel);
        let count = |summary: &info::Summary, name: &str| summary.counts[name];
        let of = |summary: &info::Summary| {
            ["taken", "delivered", "lost", "refused"].map(|name| count(summary, name))
        };
        assert_eq!(of(&first), [7, 2, 3, 2]);
        let counts = &first.processes[0].counts;
        assert_eq!((counts["taken"], counts["behind_us"]), (3, 3000));
        let second = stats.changes(KernelTime(10), index, kernel);
        assert!(second.processes.is_empty());
        assert_eq!(of(&second), of(&first));
    }
}
