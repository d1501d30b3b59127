//! Why a walk ended: the reason that travels with every sample. It refuses to
//! know who counts or prints it.

/// Why a walk ended where it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum StopReason {
    /// The chain was followed to its end, and the end looks as it must.
    Complete = 0,
    /// More frames than [`crate::sample::MAX_FRAMES`]; the innermost are here.
    Truncated = 1,
    /// A frame or code object could not be read; what is inside of it is here.
    Fault = 2,
    /// The thread has no Python thread state: a thread of native code.
    NoThreadState = 3,
    /// A thread state, but no Python frame: starting, ending, or between calls.
    NoFrame = 4,
    /// What a frame executes is not a code object: caught in mid-push.
    NotCode = 5,
    /// A frame's instruction lies outside its code object.
    InstructionOutOfRange = 6,
    /// The chain ended without the mark of an outermost frame: caught in mid-push.
    BrokenChain = 7,
    /// The chain runs in a circle.
    Circular = 8,
    /// The interpreter is not initialised yet, or no longer.
    NotInitialised = 9,
    /// The thread was off CPU and ran while it was walked.
    Moved = 10,
    /// The innermost frame is not, or no longer, part of the chain: caught in
    /// mid-push.
    Unlinked = 11,
}

impl StopReason {
    /// All reasons, in wire order.
    pub const ALL: [Self; 12] = [
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
        Self::Moved,
        Self::Unlinked,
    ];

    /// Reads a reason off the wire; `None` for a number no reason has.
    pub fn from_wire(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Whether the frames that came with it may be shown: all of them are true,
    /// even if outer ones are missing.
    pub fn is_trustworthy(self) -> bool {
        matches!(self, Self::Complete | Self::Truncated | Self::Fault)
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
            StopReason::Fault
        ]));
        assert_eq!(StopReason::from_wire(u32::MAX), None);
    }
}
