// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why samples are missing from a trace, or are shown only in part: one table of names,
//! words and advice, which the summary, the report, the dump and the trace share.

use sampler_common::fate::Fate;
use sampler_common::stop::StopReason;

/// Why a sample is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The walk of its stack ended for this reason.
    Walk(StopReason),
    /// It arrived too late to be put into the timeline.
    Late,
    /// Its time lies outside the recording, by pyebpf's own clock.
    AnotherClock,
    /// No Python interpreter was known in its process.
    Unsupported,
    /// The eBPF program could not read the kernel's record of its thread.
    TaskUnreadable,
    /// Its process ended before pyebpf knew anything about it.
    WithoutProcess,
    /// Its record could not be decoded.
    Undecodable,
    /// The trace already has as many threads as it can hold.
    NoRoom,
    /// It was still being taken when the recording ended.
    Unfinished,
    /// The ring buffer was full. Only the eBPF program saw such a sample, so an account
    /// counts it apart.
    Lost,
}

/// What a reason says about a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The sample is of another program and says nothing about the profile.
    Elsewhere,
    /// There was no Python stack to show.
    NoPython,
    /// A stack is missing from the profile.
    Missing,
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    reason: DropReason,
    name: &'static str,
    words: &'static str,
    severity: Severity,
    advice: Option<&'static str>,
    /// A second name that old traces have of it, for the samples of all processes together.
    old_name: Option<&'static str>,
}

/// A reason why a stack is missing, without advice.
const fn missing(reason: DropReason, name: &'static str, words: &'static str) -> Row {
    Row {
        reason,
        name,
        words,
        severity: Severity::Missing,
        advice: None,
        old_name: None,
    }
}

const fn walk(reason: StopReason, name: &'static str, words: &'static str) -> Row {
    missing(DropReason::Walk(reason), name, words)
}

impl Row {
    const fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    const fn with_advice(self, advice: &'static str) -> Self {
        Self {
            advice: Some(advice),
            ..self
        }
    }

    const fn once_named(self, old_name: &'static str) -> Self {
        Self {
            old_name: Some(old_name),
            ..self
        }
    }
}

const TABLE: [Row; 23] = [
    walk(StopReason::Complete, "complete", "complete"),
    walk(StopReason::Truncated, "too_deep", "too deep"),
    walk(StopReason::Fault, "fault", "not readable"),
    walk(
        StopReason::NoThreadState,
        "no_thread_state",
        "in threads without Python",
    )
    .with_severity(Severity::NoPython),
    walk(StopReason::NoFrame, "no_frame", "outside Python code").with_severity(Severity::NoPython),
    walk(
        StopReason::NotCode,
        "not_code",
        "caught while pushing a frame",
    ),
    walk(
        StopReason::InstructionOutOfRange,
        "instruction_out_of_range",
        "with an instruction outside its code",
    ),
    walk(
        StopReason::BrokenChain,
        "broken_chain",
        "with a broken chain of frames",
    ),
    walk(
        StopReason::Circular,
        "circular",
        "with a circular chain of frames",
    ),
    walk(
        StopReason::NotInitialised,
        "not_initialised",
        "before the interpreter was ready",
    )
    .with_severity(Severity::NoPython),
    walk(
        StopReason::RanDuringWalk,
        "moved",
        "that ran while they were looked at",
    ),
    walk(
        StopReason::FrameNotLinked,
        "unlinked",
        "with a frame that was not linked yet",
    ),
    walk(
        StopReason::TooManyThreads,
        "too_many_threads",
        "of more threads than are searched",
    ),
    walk(
        StopReason::OpenEnd,
        "open_end",
        "whose outermost frame is not known",
    ),
    missing(DropReason::Late, "late", "that came too late")
        .with_advice("pyebpf got too little CPU time: lower --hz"),
    missing(
        DropReason::AnotherClock,
        "another_clock",
        "whose time is none of the recording's: the kernel's clock is not pyebpf's",
    ),
    missing(
        DropReason::Unsupported,
        "unsupported",
        "where no Python that can be sampled was known",
    )
    .with_severity(Severity::Elsewhere)
    .once_named("without_interpreter"),
    missing(
        DropReason::TaskUnreadable,
        "task_unreadable",
        "whose thread the kernel did not show",
    )
    .once_named("unreadable"),
    missing(
        DropReason::WithoutProcess,
        "without_process",
        "of processes that were gone before they were known",
    ),
    missing(
        DropReason::Undecodable,
        "undecodable",
        "whose record made no sense",
    ),
    missing(
        DropReason::NoRoom,
        "no_room",
        "of threads that the trace had no room for",
    )
    .with_advice("record fewer processes, or for a shorter time"),
    missing(
        DropReason::Unfinished,
        "unfinished",
        "that were not finished when the recording ended",
    ),
    missing(
        DropReason::Lost,
        "lost",
        "lost because the ring buffer was full",
    )
    .with_advice("a larger ring buffer (--buffer) holds more")
    .once_named("lost_ring"),
];

impl DropReason {
    /// All reasons.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.reason)
    }

    /// The reason that has this name in a trace.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|reason| reason.name() == name)
    }

    /// The reason for a fate; `None` if it is none.
    pub fn from_fate(fate: Fate) -> Option<Self> {
        match fate {
            Fate::Taken => None,
            Fate::Lost => Some(Self::Lost),
            Fate::Unsupported => Some(Self::Unsupported),
            Fate::TaskUnreadable => Some(Self::TaskUnreadable),
        }
    }

    /// The reasons of samples that never arrive: the side that takes samples counts them.
    pub fn of_fates() -> impl Iterator<Item = Self> {
        Fate::ALL.into_iter().filter_map(Self::from_fate)
    }

    /// Its name in machine-readable output.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |row| row.name)
    }

    /// The reason in words that follow a number of samples.
    pub fn describe(self) -> &'static str {
        self.row().map_or("for an unknown reason", |row| row.words)
    }

    /// What it says about the recording.
    pub fn severity(self) -> Severity {
        self.row().map_or(Severity::Missing, |row| row.severity)
    }

    /// What a user can do about it.
    pub fn advice(self) -> Option<&'static str> {
        self.row()?.advice
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.reason == self)
    }
}

/// Returns the name that a count of a trace has now.
pub fn current_name(name: &str) -> &str {
    let row = TABLE.iter().find(|row| row.old_name == Some(name));
    row.map_or(name, |row| row.name)
}

impl From<StopReason> for DropReason {
    fn from(reason: StopReason) -> Self {
        Self::Walk(reason)
    }
}

/// Why a sample is shown only in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialReason {
    /// The stack is deeper than [`sampler_common::sample::MAX_FRAMES`].
    TooDeep,
    /// A frame could not be read, so the frames outside of it are unknown.
    OuterFault,
    /// Nothing shows that the outermost known frame is the outermost one.
    OpenEnd,
    /// The name of a frame could not be read.
    NoName,
}

impl PartialReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TooDeep, Self::OuterFault, Self::OpenEnd, Self::NoName];

    /// The reason why a walk with this end shows only a part of its stack.
    pub fn of_walk(stop: StopReason) -> Option<Self> {
        match stop {
            StopReason::Truncated => Some(Self::TooDeep),
            StopReason::Fault => Some(Self::OuterFault),
            StopReason::OpenEnd => Some(Self::OpenEnd),
            _ => None,
        }
    }

    /// Its name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooDeep => "truncated",
            Self::OuterFault => "cut_by_fault",
            Self::OpenEnd => "open_ended",
            Self::NoName => "unknown_code",
        }
    }

    /// What is missing, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::TooDeep => "deeper than 1024 frames",
            Self::OuterFault => "an outer frame could not be read",
            Self::OpenEnd => "nothing shows that the outermost frame is the last",
            Self::NoName => "a frame has no name",
        }
    }
}

#[cfg(test)]
mod tests {
    use sampler_common::counter::Counter;
    use sampler_common::sample::MAX_FRAMES;

    use super::*;

    #[test]
    fn every_reason_has_one_row_and_a_name_of_its_own() {
        for (position, row) in TABLE.iter().enumerate() {
            assert_eq!(DropReason::from_name(row.name), Some(row.reason));
            let is_new = |other: &Row| other.reason != row.reason && other.words != row.words;
            assert!(TABLE[..position].iter().all(is_new), "{row:?}");
        }
        for stop in StopReason::ALL {
            let reason = DropReason::from(stop);
            assert!(reason.row().is_some(), "{stop:?} has no row");
            let is_partial = stop.is_trustworthy() && stop != StopReason::Complete;
            assert_eq!(PartialReason::of_walk(stop).is_some(), is_partial);
        }
        assert_eq!(DropReason::from_name("whole"), None);
    }

    #[test]
    fn a_fate_has_one_name_in_every_view() {
        for fate in Fate::ALL {
            let name = fate.counter().name();
            match DropReason::from_fate(fate) {
                Some(reason) => assert_eq!(reason.name(), name),
                None => assert_eq!(name, "taken"),
            }
        }
        // No other counter has the name of a reason.
        let reasons = Counter::ALL.map(|it| DropReason::from_name(it.name()));
        let reasons: Vec<_> = reasons.into_iter().flatten().collect();
        assert_eq!(reasons.len(), DropReason::of_fates().count());
    }

    #[test]
    fn old_names_lead_to_new_ones_and_are_no_names_now() {
        assert_eq!(current_name("lost_ring"), "lost");
        assert_eq!(current_name("late"), "late");
        for old in TABLE.iter().filter_map(|row| row.old_name) {
            assert_eq!(DropReason::from_name(old), None);
            assert!(Counter::ALL.iter().all(|it| it.name() != old), "{old}");
        }
    }

    #[test]
    fn the_deepest_stack_is_as_deep_as_is_said() {
        let words = PartialReason::TooDeep.describe();
        assert!(words.contains(&MAX_FRAMES.to_string()), "{words}");
    }
}
