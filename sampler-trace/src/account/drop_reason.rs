// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why samples are missing from a trace, or are shown only in part: one table of names,
//! words and advice, which the summary, the report, the dump and the trace share.

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
    WithoutInterpreter,
    /// The eBPF program could not read the kernel's record of its thread.
    Unreadable,
    /// Its process ended before pyebpf knew anything about it.
    WithoutProcess,
    /// Its record could not be decoded.
    Undecodable,
    /// The trace already has as many threads as it can hold.
    NoRoom,
    /// It was still being taken when the recording ended.
    Unfinished,
    /// The ring buffer was full. Only the eBPF program saw such a sample, so an account
    /// counts it apart, as lost.
    RingFull,
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
}

/// A reason why a stack is missing, without advice.
const fn missing(reason: DropReason, name: &'static str, words: &'static str) -> Row {
    Row {
        reason,
        name,
        words,
        severity: Severity::Missing,
        advice: None,
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
        StopReason::Moved,
        "moved",
        "that ran while they were looked at",
    ),
    walk(
        StopReason::Unlinked,
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
        DropReason::WithoutInterpreter,
        "unsupported",
        "in programs without a Python that can be sampled",
    )
    .with_severity(Severity::Elsewhere),
    missing(
        DropReason::Unreadable,
        "task_unreadable",
        "whose thread the kernel did not show",
    ),
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
        DropReason::RingFull,
        "lost",
        "lost because the ring buffer was full",
    )
    .with_advice("a larger ring buffer (--buffer) holds more"),
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

    /// Its name in machine-readable output.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |row| row.name)
    }

    /// The reason in words that follow a number of samples.
    pub fn in_words(self) -> &'static str {
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
    pub fn in_words(self) -> &'static str {
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
    fn the_deepest_stack_is_as_deep_as_is_said() {
        let words = PartialReason::TooDeep.in_words();
        assert!(words.contains(&MAX_FRAMES.to_string()), "{words}");
    }
}
