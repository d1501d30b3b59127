//! What became of every sample, by process and in all, while a recording runs and
//! at its end. It refuses to judge a sample: it is told.

use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_common::account::KernelAccount;
use sampler_common::process::ProcessKey;

use crate::account::{Account, Refused};
use crate::report::ProcessSummary;
use crate::timeline::{KernelTime, ProcessIndex};
use crate::trace;

/// Closed accounts that are kept to be printed; of more, the worst and the
/// busiest are.
const KEPT: usize = 1024;

/// Everything that is counted.
#[derive(Default)]
pub(super) struct Ledger {
    open: FxHashMap<ProcessKey, OpenAccount>,
    closed: ClosedAccounts,
    /// Samples that belong to no process that is known.
    unattributed: Account,
    /// Samples that have arrived.
    pub(super) samples: u64,
    /// Records that made no sense, and were no samples.
    pub(super) undecodable: u64,
}

#[derive(Default)]
struct OpenAccount {
    account: Account,
    /// It has changed since it was written.
    is_dirty: bool,
    /// As it was written.
    written: Account,
}

/// The accounts of processes that have ended.
#[derive(Default)]
pub(super) struct ClosedAccounts {
    /// All of them together.
    total: Account,
    /// How many had a sample that is shown.
    sampled: usize,
    listed: Vec<ProcessSummary>,
    /// Not yet in the trace.
    unwritten: Vec<trace::ProcessSummary>,
}

/// What the ledger has of all processes at the end.
pub(super) struct ClosedLedger {
    /// All samples together.
    pub(super) total: Account,
    /// Processes that had a sample that is shown.
    pub(super) sampled: usize,
    /// The worst and the busiest of them.
    pub(super) listed: Vec<ProcessSummary>,
    /// What is not in the trace yet.
    pub(super) unwritten: Vec<trace::ProcessSummary>,
}

impl Ledger {
    /// The account of a process of which a sample has arrived, so long after it
    /// was taken.
    pub(super) fn arrived(&mut self, process: ProcessKey, behind: Duration) -> &mut Account {
        let open = self.open.entry(process).or_default();
        open.is_dirty = true;
        open.account.behind = open.account.behind.max(behind);
        &mut open.account
    }

    /// A sample has arrived of a process that is not known.
    pub(super) fn without_process(&mut self) {
        self.unattributed.refuse(Refused::WithoutProcess);
    }

    /// A sample has arrived that cannot be read.
    pub(super) fn undecodable_sample(&mut self) {
        self.samples += 1;
        self.unattributed.refuse(Refused::Undecodable);
    }

    /// Takes the account of a process, to be completed and closed.
    pub(super) fn take(&mut self, process: ProcessKey) -> Account {
        let open = self.open.remove(&process);
        open.map(|open| open.account).unwrap_or_default()
    }

    /// The process will have no other sample. Its `index` is its number in the
    /// trace, if it has one.
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

    /// Takes what has changed since the last call, for the trace: the account of
    /// the whole, in which samples on their way are not counted, and those of
    /// processes. `kernel` is what the kernel side has of a process.
    pub(super) fn changes(
        &mut self,
        time: KernelTime,
        index: impl Fn(ProcessKey) -> Option<ProcessIndex>,
        kernel: impl Fn(ProcessKey) -> KernelAccount,
    ) -> trace::Summary {
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
            account.taken = account.delivered() + account.lost + account.refused();
            total.add(&account);
            processes.extend(index(*key).map(|index| of_process(index, &account)));
            open.written = account;
        }
        total.taken = total.delivered() + total.lost + total.refused();
        trace::Summary {
            end: time,
            counts: named(&total.counts()),
            processes,
            rates: Vec::new(),
        }
    }

    /// Everything, when all processes are closed. `taken`, `lost` and what else the
    /// kernel side counts of the whole are to be set by its own counts.
    pub(super) fn finish(mut self) -> ClosedLedger {
        self.closed.prune();
        let mut total = self.closed.total;
        total.add(&self.unattributed);
        ClosedLedger {
            total,
            sampled: self.closed.sampled,
            listed: self.closed.listed,
            unwritten: self.closed.unwritten,
        }
    }
}

impl ClosedAccounts {
    /// Worst first, then busiest; keeps so many of both kinds.
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

fn of_process(process: ProcessIndex, account: &Account) -> trace::ProcessSummary {
    trace::ProcessSummary {
        process,
        counts: named(&account.counts()),
    }
}

/// Counters with names of their own, as a trace has them.
pub(super) fn named(counts: &[(&'static str, u64)]) -> trace::Counts {
    let counts = counts.iter();
    counts
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[cfg(test)]
mod tests {
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
        let mut ledger = Ledger::default();
        for tgid in 1..=10_000 {
            let key = ProcessKey(u64::from(tgid));
            ledger
                .arrived(key, Duration::ZERO)
                .show(StopReason::Complete);
            let mut account = ledger.take(key);
            account.add_kernel(&KernelAccount {
                taken: 1 + u64::from(tgid == 5000) * 7,
                lost: u64::from(tgid == 5000) * 7,
                ..KernelAccount::ZERO
            });
            assert!(account.is_balanced());
            ledger.close(Some(ProcessIndex(tgid)), summary(tgid, account));
        }
        ledger.without_process();
        let end = ledger.finish();
        assert_eq!((end.sampled, end.unwritten.len()), (10_000, 10_000));
        assert!(end.listed.len() <= 2 * KEPT);
        assert_eq!(end.listed.first().map(|of| of.tgid), Some(5000));
        let sums = (end.total.taken, end.total.lost, end.total.refused());
        assert_eq!(sums, (10_007, 7, 1));
    }

    #[test]
    fn what_changed_is_written_once_and_balances() {
        let mut ledger = Ledger::default();
        for key in [1, 2] {
            let account = ledger.arrived(ProcessKey(key), Duration::from_millis(3));
            account.show(StopReason::Complete);
            account.refuse(Refused::Late);
        }
        let kernel = |key: ProcessKey| KernelAccount {
            taken: 100,
            lost: key.0,
            ..KernelAccount::ZERO
        };
        let index = |key: ProcessKey| (key.0 == 1).then_some(ProcessIndex(0));
        let first = ledger.changes(KernelTime(9), index, kernel);
        let count = |summary: &trace::Summary, name: &str| summary.counts[name];
        let of = |summary: &trace::Summary| {
            ["taken", "delivered", "lost", "refused"].map(|name| count(summary, name))
        };
        assert_eq!(of(&first), [7, 2, 3, 2]);
        let counts = &first.processes[0].counts;
        assert_eq!((counts["taken"], counts["behind_us"]), (3, 3000));
        let second = ledger.changes(KernelTime(10), index, kernel);
        assert!(second.processes.is_empty());
        assert_eq!(of(&second), of(&first));
    }
}
