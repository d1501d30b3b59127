// SPDX-License-Identifier: MIT OR Apache-2.0

//! The reason why a walk ended, which travels with every sample.

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum StopReason {
    /// The chain was followed to its end, and the end looks as it must.
    Complete = 0,
    /// There are more frames than [`crate::sample::MAX_FRAMES`]; the sample has the
    /// innermost ones.
    Truncated = 1,
    /// A frame or code object could not be read; the sample has the inner frames up to
    /// there.
    Fault = 2,
    /// The thread has no Python thread state: it runs native code only.
    NoThreadState = 3,
    /// The thread state has no Python frame: the thread is starting, ending, or between
    /// calls.
    NoFrame = 4,
    /// What a frame executes is not a code object: the thread was interrupted while
    /// pushing a frame.
    NotCode = 5,
    /// A frame's instruction lies outside its code object.
    InstructionOutOfRange = 6,
    /// The chain ended without the mark of an outermost frame: the thread was interrupted
    /// while pushing a frame.
    BrokenChain = 7,
    /// The chain of frames is a circle.
    Circular = 8,
    /// The interpreter is not initialised yet, or no longer.
    NotInitialised = 9,
    /// The thread was off CPU, but ran while it was walked.
    RanDuringWalk = 10,
    /// The innermost frame is not part of the chain yet, or no longer: the thread was
    /// interrupted while pushing a frame.
    FrameNotLinked = 11,
    /// The list of all threads is longer than the search goes, and nothing else leads to
    /// the thread state.
    TooManyThreads = 12,
    /// The chain ended with a frame that is true, but that nothing shows to be the
    /// outermost one; the sample has the frames up to it.
    OpenEnd = 13,
}

impl StopReason {
    /// All reasons, in wire order.
    pub const ALL: [Self; 14] = [
        Self::Complete,
        Self::Truncated,
        Self::Fault,
        Self::NoThreadState,
        Self::NoFrame,
        Self::NotCode,
        Self::InstructionOutOfRange,
        Self::BrokenChain,
        Self::Circular,
        Self::NotInitialised,
        Self::RanDuringWalk,
        Self::FrameNotLinked,
        Self::TooManyThreads,
        Self::OpenEnd,
    ];

    /// Its name in logs and in machine-readable output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "too_deep",
            Self::Fault => "fault",
            Self::NoThreadState => "no_thread_state",
            Self::NoFrame => "no_frame",
            Self::NotCode => "not_code",
            Self::InstructionOutOfRange => "instruction_out_of_range",
            Self::BrokenChain => "broken_chain",
            Self::Circular => "circular",
            Self::NotInitialised => "not_initialised",
            Self::RanDuringWalk => "moved",
            Self::FrameNotLinked => "unlinked",
            Self::TooManyThreads => "too_many_threads",
            Self::OpenEnd => "open_end",
        }
    }

    /// Reads a reason off the wire; `None` for a number that no reason has.
    pub fn from_wire(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Whether the frames that came with it may be shown: all of them are true,
    /// even if outer ones are missing.
    pub fn is_trustworthy(self) -> bool {
        matches!(
            self,
            Self::Complete | Self::Truncated | Self::Fault | Self::OpenEnd
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_numbers_are_positions() {
        for (position, reason) in StopReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, position);
            assert_eq!(StopReason::from_wire(position as u32), Some(*reason));
        }
        assert_eq!(StopReason::from_wire(StopReason::ALL.len() as u32), None);
    }
    #[test]
    fn only_true_frames_may_be_shown() {
        let shown = StopReason::ALL.into_iter().filter(|it| it.is_trustworthy());
        assert!(shown.eq([
            StopReason::Complete,
            StopReason::Truncated,
            StopReason::Fault,
            StopReason::OpenEnd
        ]));
        assert_eq!(StopReason::from_wire(u32::MAX), None);
    }
}
