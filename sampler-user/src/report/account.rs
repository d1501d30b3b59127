//! The account of one process: every sample that was taken of it is in exactly
//! one place. It refuses to know the process.

use std::collections::BTreeMap;

use sampler_common::stop::StopReason;

/// Why a sample shows no stack.
pub type Refused = StopReason;

/// The samples of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Shown whole.
    pub whole: u64,
    /// Shown without some outer frames, and marked so: too deep.
    pub truncated: u64,
    /// Shown without some outer frames, and marked so: not readable.
    pub cut_by_fault: u64,
    /// Not shown, by reason.
    pub refused: BTreeMap<Refused, u64>,
    /// Threads off CPU that had not run since their last sample: only their
    /// state was taken anew.
    pub restated: u64,
    /// Threads that had a sample.
    pub threads: u32,
}

impl Account {
    /// A sample that is shown; `stop` is why its walk ended.
    pub fn show(&mut self, stop: StopReason) {
        match stop {
            StopReason::Truncated => self.truncated += 1,
            StopReason::Fault => self.cut_by_fault += 1,
            _ => self.whole += 1,
        }
    }

    /// A sample that is not.
    pub fn refuse(&mut self, reason: Refused) {
        *self.refused.entry(reason).or_default() += 1;
    }

    /// Samples that are shown.
    pub fn shown(&self) -> u64 {
        self.whole + self.truncated + self.cut_by_fault
    }

    /// Samples that are not.
    pub fn refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// All samples that arrived.
    pub fn delivered(&self) -> u64 {
        self.shown() + self.restated + self.refused()
    }

    /// The counts by name, as a trace carries them; reasons without a sample are
    /// left out.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = vec![
            ("shown", self.shown()),
            ("whole", self.whole),
            ("truncated", self.truncated),
            ("cut_by_fault", self.cut_by_fault),
            ("restated", self.restated),
            ("refused", self.refused()),
        ];
        counts.extend(
            self.refused
                .iter()
                .map(|(reason, count)| (name(*reason), *count)),
        );
        counts
    }

    /// Adds another process's samples.
    pub fn add(&mut self, other: &Self) {
        self.whole += other.whole;
        self.truncated += other.truncated;
        self.cut_by_fault += other.cut_by_fault;
        self.restated += other.restated;
        self.threads += other.threads;
        for (reason, count) in &other.refused {
            *self.refused.entry(*reason).or_default() += count;
        }
    }

    /// The refusals in words, most frequent first: `3 caught while pushing a
    /// frame, 1 without Python`.
    pub fn refusals_in_words(&self) -> String {
        let mut reasons: Vec<_> = self.refused.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let words = reasons
            .iter()
            .map(|(reason, count)| format!("{count} {}", in_words(**reason)));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// The name of a reason in machine-readable output.
fn name(reason: Refused) -> &'static str {
    match reason {
        StopReason::Complete => "complete",
        StopReason::Truncated => "too_deep",
        StopReason::Fault => "fault",
        StopReason::NoThreadState => "no_thread_state",
        StopReason::NoFrame => "no_frame",
        StopReason::NotCode => "not_code",
        StopReason::InstructionOutOfRange => "instruction_out_of_range",
        StopReason::BrokenChain => "broken_chain",
        StopReason::Circular => "circular",
        StopReason::NotInitialised => "not_initialised",
        StopReason::Moved => "moved",
    }
}

/// A reason as the end of a sentence that starts with a number of samples.
pub(crate) fn in_words(reason: Refused) -> &'static str {
    match reason {
        StopReason::Complete => "complete",
        StopReason::Truncated => "too deep",
        StopReason::Fault => "not readable",
        StopReason::NoThreadState => "in threads without Python",
        StopReason::NoFrame => "outside Python code",
        StopReason::NotCode => "caught while pushing a frame",
        StopReason::InstructionOutOfRange => "with an instruction outside its code",
        StopReason::BrokenChain => "with a broken chain of frames",
        StopReason::Circular => "with a circular chain of frames",
        StopReason::NotInitialised => "before the interpreter was ready",
        StopReason::Moved => "that ran while they were looked at",
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
        account.refuse(StopReason::NotCode);
        account.refuse(StopReason::NoThreadState);
        account.refuse(StopReason::NoThreadState);
        assert_eq!(
            (account.shown(), account.refused(), account.delivered()),
            (3, 3, 6)
        );
        assert_eq!(
            account.refusals_in_words(),
            "2 in threads without Python, 1 caught while pushing a frame"
        );
    }
}
