// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts the samples of one process, or of a whole recording. Every sample that was
//! taken is counted in exactly one place.

pub mod cpu_time;
pub mod drop_reason;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use sampler_common::account::KernelAccount;
use sampler_common::fate::Fate;
use sampler_common::stop::StopReason;

use crate::account::cpu_time::{CpuCheck, CpuTime};
use crate::account::drop_reason::{DropReason, PartialReason, Severity};

/// The samples of one process.
///
/// Once all samples have been read, `taken = delivered + lost + refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All samples, as counted by the side that takes them.
    pub taken: u64,
    /// Samples that were dropped because the ring buffer was full.
    pub lost: u64,
    /// Shown with the whole stack.
    pub whole: u64,
    /// Shown without some outer frames, and marked as such: the stack was too deep.
    pub truncated: u64,
    /// Shown without some outer frames, and marked as such: a frame could not be read.
    pub cut_by_fault: u64,
    /// Shown, and marked as such: nothing proves that there are no further outer frames.
    pub open_ended: u64,
    /// Samples of threads off CPU that had not run since their last sample: only the
    /// state was taken anew.
    pub state_only: u64,
    /// Samples that are not shown, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Shown samples in which a frame has no name.
    pub unknown_code: u64,
    /// The longest time between taking a sample and reading it.
    pub behind: Duration,
    /// The number of threads that had a sample.
    pub threads: u32,
    /// The CPU time that the kernel counted over the same time; zero where it is not known.
    pub cpu: CpuTime,
    /// The time that the arrived samples of ticks stand for: one period each.
    pub ticked: Duration,
    /// The part of `ticked` whose samples are shown.
    pub seen: Duration,
}

impl Account {
    /// Counts a sample that is shown; `stop` is why its walk ended.
    pub fn show(&mut self, stop: StopReason) {
        match stop {
            StopReason::Truncated => self.truncated += 1,
            StopReason::Fault => self.cut_by_fault += 1,
            StopReason::OpenEnd => self.open_ended += 1,
            _ => self.whole += 1,
        }
    }

    /// Counts a sample that is not shown.
    pub fn add_dropped(&mut self, reason: DropReason) {
        self.add_dropped_n(reason, 1);
    }

    /// Counts `number` samples that are not shown.
    pub fn add_dropped_n(&mut self, reason: DropReason, number: u64) {
        if number > 0 {
            *self.dropped.entry(reason).or_default() += number;
        }
    }

    /// Adds what the eBPF program counted for the same process.
    pub fn add_kernel(&mut self, kernel: &KernelAccount) {
        for fate in Fate::ALL {
            let number = kernel.get(fate);
            match DropReason::from_fate(fate) {
                None => self.taken += number,
                Some(DropReason::Lost) => self.lost += number,
                Some(reason) => self.add_dropped_n(reason, number),
            }
        }
    }

    /// Replaces what the eBPF program counted of single processes by what it counted of all.
    pub fn replace_kernel(&mut self, kernel: &KernelAccount) {
        (self.taken, self.lost) = (0, 0);
        for reason in DropReason::of_fates() {
            self.dropped.remove(&reason);
        }
        self.add_kernel(kernel);
    }

    /// Counts the samples that are still being taken when the recording ends.
    pub fn leave_unfinished(&mut self) {
        let known = self.delivered() + self.lost + self.dropped();
        self.add_dropped_n(DropReason::Unfinished, self.taken.saturating_sub(known));
    }

    /// Samples that are shown with a stack of their own.
    pub fn shown(&self) -> u64 {
        self.whole + self.truncated + self.cut_by_fault + self.open_ended
    }

    /// Samples that are in the trace.
    pub fn delivered(&self) -> u64 {
        self.shown() + self.state_only
    }

    /// Samples that are missing from the trace for a reason other than a full ring buffer.
    pub fn dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Lost and dropped samples, without the ticks that hit programs without a known
    /// interpreter: those say nothing about a profile.
    pub fn missing(&self) -> u64 {
        let of_profile = |it: &(&DropReason, &u64)| it.0.severity() != Severity::Elsewhere;
        let dropped = self.dropped.iter().filter(of_profile);
        self.lost + dropped.map(|(_, count)| count).sum::<u64>()
    }

    /// Puts the CPU time that the kernel counted next to that of the samples. Ticks whose
    /// samples did not arrive stand for `period` each. How many of the lost samples were
    /// ticks is known only where nothing else takes samples (`only_ticks`).
    pub fn cpu_check(&self, period: Duration, only_ticks: bool) -> CpuCheck {
        let absent = DropReason::of_fates().filter(|it| only_ticks || *it != DropReason::Lost);
        CpuCheck {
            counted: self.cpu.all,
            ticked: self.ticked,
            seen: self.seen,
            period,
        }
        .with_ticks(absent.map(|reason| self.dropped_for(reason)).sum())
    }

    /// Samples that are missing from the trace for this reason.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::Lost => self.lost,
            _ => self.dropped.get(&reason).copied().unwrap_or(0),
        }
    }

    /// Whether every sample is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.taken == self.delivered() + self.lost + self.dropped()
    }

    /// The counts by name, as a trace carries them: the sums always, the rest where it is
    /// not 0.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let sums = [
            ("taken", self.taken),
            ("delivered", self.delivered()),
            ("lost", self.lost),
            ("refused", self.dropped()),
            ("shown", self.shown()),
        ];
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let parts = [
            ("whole", self.whole),
            ("restated", self.state_only),
            ("behind_us", microseconds(self.behind)),
            ("kernel_cpu_us", microseconds(self.cpu.all)),
            ("kernel_user_us", microseconds(self.cpu.user)),
            ("kernel_system_us", microseconds(self.cpu.system())),
            ("ticked_us", microseconds(self.ticked)),
            ("seen_us", microseconds(self.seen)),
        ];
        let partial = PartialReason::ALL.map(|why| (why.name(), self.partial(why)));
        let reasons = self.dropped.iter().map(|(why, count)| (why.name(), *count));
        let parts = parts.into_iter().chain(partial).chain(reasons);
        sums.into_iter()
            .chain(parts.filter(|(_, count)| *count > 0))
            .collect()
    }

    /// Adds the samples of another process.
    pub fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.lost += other.lost;
        self.whole += other.whole;
        self.truncated += other.truncated;
        self.cut_by_fault += other.cut_by_fault;
        self.open_ended += other.open_ended;
        self.state_only += other.state_only;
        self.unknown_code += other.unknown_code;
        self.behind = self.behind.max(other.behind);
        self.threads += other.threads;
        self.cpu.add(other.cpu);
        self.ticked += other.ticked;
        self.seen += other.seen;
        for (reason, count) in &other.dropped {
            *self.dropped.entry(*reason).or_default() += count;
        }
    }

    /// Samples that are shown in part for this reason.
    pub fn partial(&self, reason: PartialReason) -> u64 {
        match reason {
            PartialReason::TooDeep => self.truncated,
            PartialReason::OuterFault => self.cut_by_fault,
            PartialReason::OpenEnd => self.open_ended,
            PartialReason::NoName => self.unknown_code,
        }
    }

    /// What can be done about samples that are missing, one sentence for each reason.
    pub fn advice(&self) -> impl Iterator<Item = &'static str> {
        let lost = (self.lost > 0).then_some(DropReason::Lost);
        let dropped = self.dropped.iter().filter(|(_, count)| **count > 0);
        let reasons = dropped.map(|(reason, _)| *reason).chain(lost);
        reasons.filter_map(DropReason::advice)
    }

    /// How much of the samples is shown, and the two most frequent reasons why others are
    /// not; `None` where none is missing. Samples of other programs do not count.
    pub fn verdict(&self) -> Option<String> {
        let missing = self.missing();
        if missing == 0 {
            return None;
        }
        let known = self.dropped.iter().map(|(reason, count)| (*count, *reason));
        let mut reasons: Vec<_> = known
            .chain([(self.lost, DropReason::Lost)])
            .filter(|(count, reason)| *count > 0 && reason.severity() != Severity::Elsewhere)
            .collect();
        reasons.sort_by_key(|(count, reason)| (Reverse(*count), *reason));
        let named = reasons.iter().take(2);
        let mut words: Vec<_> = named
            .map(|(count, reason)| format!("{count} {}", reason.describe()))
            .collect();
        let others: u64 = reasons.iter().skip(2).map(|(count, _)| count).sum();
        if others > 0 {
            words.push(format!("{others} for other reasons"));
        }
        // Rounded down: with one missing, it is not all of them.
        let permille = self.delivered().saturating_mul(1000) / (self.delivered() + missing);
        Some(format!(
            "{}.{} % of the samples shown; {missing} not: {}",
            permille / 10,
            permille % 10,
            words.join(", ")
        ))
    }

    /// The reasons for refused samples in words, most frequent first:
    /// `3 caught while pushing a frame, 1 in threads without Python`.
    pub fn describe_dropped(&self) -> String {
        let mut reasons: Vec<_> = self.dropped.iter().collect();
        reasons.sort_by_key(|(_, count)| Reverse(**count));
        let words = reasons
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason.describe()));
        words.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_in_one_place() {
        let mut account = Account::default();
        account.show(StopReason::Complete);
        account.show(StopReason::Truncated);
        account.show(StopReason::Fault);
        account.show(StopReason::OpenEnd);
        account.state_only += 1;
        account.add_dropped(StopReason::NotCode.into());
        account.add_dropped(StopReason::NoThreadState.into());
        account.add_dropped(StopReason::NoThreadState.into());
        let sums = (account.shown(), account.delivered(), account.dropped());
        assert_eq!(sums, (4, 5, 3));
        assert_eq!(
            account.describe_dropped(),
            "2 in threads without Python, 1 caught while pushing a frame"
        );
        assert!(!account.is_balanced());
        let kernel = [
            (Fate::Taken, 21),
            (Fate::Lost, 8),
            (Fate::Unsupported, 3),
            (Fate::TaskUnreadable, 2),
        ];
        account.add_kernel(&kernel.into_iter().collect());
        assert!(account.is_balanced());
        assert_eq!((account.missing(), account.dropped()), (13, 8));
        let mut all = account.clone();
        all.add(&account);
        assert!(all.is_balanced() && all.taken == 42);
        let of = |name| all.counts().into_iter().find(|it| it.0 == name);
        assert_eq!(of("unsupported"), Some(("unsupported", 6)));
        assert_eq!(of("moved"), None);
    }

    #[test]
    fn sums_have_no_name_of_a_reason() {
        let sums = Account::default().counts();
        let reasons: Vec<_> = sums
            .iter()
            .filter_map(|(name, _)| DropReason::from_name(name))
            .collect();
        assert_eq!(reasons, [DropReason::Lost]);
    }

    #[test]
    fn the_verdict_names_the_two_most_frequent_reasons() {
        let mut account = Account {
            taken: 1000,
            whole: 1000,
            ..Account::default()
        };
        assert_eq!(account.verdict(), None);
        account.add_dropped_n(DropReason::Unsupported, 500);
        assert_eq!(account.verdict(), None, "samples of other programs");
        account.add_dropped(DropReason::Late);
        assert_eq!(
            account.verdict().as_deref(),
            Some("99.9 % of the samples shown; 1 not: 1 that came too late")
        );
        account.lost = 8;
        account.add_dropped_n(StopReason::NotCode.into(), 4);
        assert_eq!(
            account.verdict().as_deref(),
            Some(
                "98.7 % of the samples shown; 13 not: 8 lost because the ring buffer was full, \
                 4 caught while pushing a frame, 1 for other reasons"
            )
        );
        account.whole = 0;
        account.add_dropped_n(StopReason::NotCode.into(), 1_000_000);
        let verdict = account.verdict().expect("none is shown");
        assert!(
            verdict.starts_with("0.0 % of the samples shown; 1000013 not: "),
            "{verdict}"
        );
    }
}
