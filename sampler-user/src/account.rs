//! The account of one process, or of a whole recording: every sample that was
//! taken is in exactly one place. It refuses to know the process.

use std::collections::BTreeMap;
use std::time::Duration;

use sampler_common::account::KernelAccount;
use sampler_common::stop::StopReason;

/// Why a sample shows no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refused {
    /// The walk ended so.
    Walk(StopReason),
    /// It came too late to be put into the timeline.
    Late,
    /// No interpreter of its process was known.
    WithoutInterpreter,
    /// The kernel's record of its thread could not be read.
    Unreadable,
    /// Its process was gone before anything was known of it.
    WithoutProcess,
    /// Its record made no sense.
    Undecodable,
    /// The trace has as many threads as one can have.
    NoRoom,
    /// It was still being taken when the recording ended.
    Unfinished,
}

/// The samples of one process.
///
/// Always `taken = delivered + lost + refused`, once all of them have been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All of them, as whoever takes them counts.
    pub taken: u64,
    /// Those that found no room on their way to user space.
    pub lost: u64,
    /// Shown whole.
    pub whole: u64,
    /// Shown without some outer frames, and marked so: too deep.
    pub truncated: u64,
    /// Shown without some outer frames, and marked so: not readable.
    pub cut_by_fault: u64,
    /// Threads off CPU that had not run since their last sample: only their
    /// state was taken anew.
    pub restated: u64,
    /// Not shown, by reason.
    pub refused: BTreeMap<Refused, u64>,
    /// Of those shown, with a frame that has no name.
    pub unknown_code: u64,
    /// The longest time from a sample to when it was read.
    pub behind: Duration,
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
        self.refuse_all(reason, 1);
    }

    /// So many samples that are not.
    pub fn refuse_all(&mut self, reason: Refused, number: u64) {
        if number > 0 {
            *self.refused.entry(reason).or_default() += number;
        }
    }

    /// What the kernel side has counted of the same process.
    pub fn add_kernel(&mut self, kernel: &KernelAccount) {
        self.taken += kernel.taken;
        self.lost += kernel.lost;
        self.refuse_all(Refused::WithoutInterpreter, kernel.without_interpreter);
        self.refuse_all(Refused::Unreadable, kernel.unreadable);
    }

    /// The recording ends while samples are still being taken.
    pub fn leave_unfinished(&mut self) {
        let known = self.delivered() + self.lost + self.refused();
        self.refuse_all(Refused::Unfinished, self.taken.saturating_sub(known));
    }

    /// Samples that are shown with a stack of their own.
    pub fn shown(&self) -> u64 {
        self.whole + self.truncated + self.cut_by_fault
    }

    /// Samples that are in the trace.
    pub fn delivered(&self) -> u64 {
        self.shown() + self.restated
    }

    /// Samples that came and are not in the trace.
    pub fn refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Those of the refused samples that say something about a profile: not the
    /// ticks of other programs.
    pub fn missing(&self) -> u64 {
        let other = self.refused.get(&Refused::WithoutInterpreter);
        self.lost + self.refused() - other.copied().unwrap_or(0)
    }

    /// Whether every sample is accounted for.
    pub fn is_balanced(&self) -> bool {
        self.taken == self.delivered() + self.lost + self.refused()
    }

    /// The counts by name, as a trace carries them. The sums are always there, of
    /// the rest what is not 0.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let sums = [
            ("taken", self.taken),
            ("delivered", self.delivered()),
            ("lost", self.lost),
            ("refused", self.refused()),
            ("shown", self.shown()),
        ];
        let behind = u64::try_from(self.behind.as_micros()).unwrap_or(u64::MAX);
        let parts = [
            ("whole", self.whole),
            ("truncated", self.truncated),
            ("cut_by_fault", self.cut_by_fault),
            ("restated", self.restated),
            ("unknown_code", self.unknown_code),
            ("behind_us", behind),
        ];
        let reasons = self.refused.iter().map(|(why, count)| (why.name(), *count));
        let parts = parts.into_iter().chain(reasons);
        sums.into_iter()
            .chain(parts.filter(|(_, count)| *count > 0))
            .collect()
    }

    /// Adds another process's samples.
    pub fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.lost += other.lost;
        self.whole += other.whole;
        self.truncated += other.truncated;
        self.cut_by_fault += other.cut_by_fault;
        self.restated += other.restated;
        self.unknown_code += other.unknown_code;
        self.behind = self.behind.max(other.behind);
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
            .map(|(reason, count)| format!("{count} {}", reason.in_words()));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl From<StopReason> for Refused {
    fn from(reason: StopReason) -> Self {
        Self::Walk(reason)
    }
}

/// Reasons beside those of a walk.
const OTHERS: [Refused; 7] = [
    Refused::Late,
    Refused::WithoutInterpreter,
    Refused::Unreadable,
    Refused::WithoutProcess,
    Refused::Undecodable,
    Refused::NoRoom,
    Refused::Unfinished,
];

impl Refused {
    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        StopReason::ALL.into_iter().map(Self::Walk).chain(OTHERS)
    }

    /// The reason that has this name in a trace.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|reason| reason.name() == name)
    }

    /// Its name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Walk(StopReason::Complete) => "complete",
            Self::Walk(StopReason::Truncated) => "too_deep",
            Self::Walk(StopReason::Fault) => "fault",
            Self::Walk(StopReason::NoThreadState) => "no_thread_state",
            Self::Walk(StopReason::NoFrame) => "no_frame",
            Self::Walk(StopReason::NotCode) => "not_code",
            Self::Walk(StopReason::InstructionOutOfRange) => "instruction_out_of_range",
            Self::Walk(StopReason::BrokenChain) => "broken_chain",
            Self::Walk(StopReason::Circular) => "circular",
            Self::Walk(StopReason::NotInitialised) => "not_initialised",
            Self::Walk(StopReason::Moved) => "moved",
            Self::Walk(StopReason::Unlinked) => "unlinked",
            Self::Late => "late",
            Self::WithoutInterpreter => "unsupported",
            Self::Unreadable => "task_unreadable",
            Self::WithoutProcess => "without_process",
            Self::Undecodable => "undecodable",
            Self::NoRoom => "no_room",
            Self::Unfinished => "unfinished",
        }
    }

    /// The end of a sentence that starts with a number of samples.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Walk(StopReason::Complete) => "complete",
            Self::Walk(StopReason::Truncated) => "too deep",
            Self::Walk(StopReason::Fault) => "not readable",
            Self::Walk(StopReason::NoThreadState) => "in threads without Python",
            Self::Walk(StopReason::NoFrame) => "outside Python code",
            Self::Walk(StopReason::NotCode) => "caught while pushing a frame",
            Self::Walk(StopReason::InstructionOutOfRange) => "with an instruction outside its code",
            Self::Walk(StopReason::BrokenChain) => "with a broken chain of frames",
            Self::Walk(StopReason::Circular) => "with a circular chain of frames",
            Self::Walk(StopReason::NotInitialised) => "before the interpreter was ready",
            Self::Walk(StopReason::Moved) => "that ran while they were looked at",
            Self::Walk(StopReason::Unlinked) => "with a frame that was not linked yet",
            Self::Late => "that came too late",
            Self::WithoutInterpreter => "in programs without a Python that can be sampled",
            Self::Unreadable => "whose thread the kernel did not show",
            Self::WithoutProcess => "of processes that were gone before they were known",
            Self::Undecodable => "whose record made no sense",
            Self::NoRoom => "of threads that the trace had no room for",
            Self::Unfinished => "that were not finished when the recording ended",
        }
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
        account.restated += 1;
        account.refuse(StopReason::NotCode.into());
        account.refuse(StopReason::NoThreadState.into());
        account.refuse(StopReason::NoThreadState.into());
        let sums = (account.shown(), account.delivered(), account.refused());
        assert_eq!(sums, (3, 4, 3));
        assert_eq!(
            account.refusals_in_words(),
            "2 in threads without Python, 1 caught while pushing a frame"
        );
        assert!(!account.is_balanced());
        account.add_kernel(&KernelAccount {
            taken: 20,
            lost: 8,
            without_interpreter: 3,
            unreadable: 2,
        });
        assert!(account.is_balanced());
        assert_eq!((account.missing(), account.refused()), (13, 8));
        let mut all = account.clone();
        all.add(&account);
        assert!(all.is_balanced() && all.taken == 40);
        let of = |name| all.counts().into_iter().find(|it| it.0 == name);
        assert_eq!(of("unsupported"), Some(("unsupported", 6)));
        assert_eq!(of("moved"), None);
    }

    #[test]
    fn reasons_have_names_of_their_own() {
        for reason in Refused::all() {
            assert_eq!(Refused::from_name(reason.name()), Some(reason));
        }
        let sums = Account::default().counts();
        assert!(
            sums.iter()
                .all(|(name, _)| Refused::from_name(name).is_none())
        );
    }
}
