//! A row: one thread, one stack, one state, from one time to another. It
//! refuses to know how a state is told.

use super::{KernelTime, StackId, TrackId};

/// What a thread was doing while a row lasts.
///
/// The numbers are part of the container's format: they only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing is known: the thread was not sampled, or has ended.
    #[default]
    None = 0,
    /// On a CPU.
    Running = 1,
    /// Ready to run, without a CPU.
    Runnable = 2,
    /// Waiting for the global interpreter lock.
    WaitingForGil = 3,
    /// Waiting in a lock that is not the global interpreter lock.
    Lock = 4,
    /// Waiting for input or output: poll, select, a socket, a file.
    Io = 5,
    /// Sleeping until a time.
    Sleeping = 6,
    /// Stopped by a signal or a tracer.
    Stopped = 7,
    /// Waiting for a page of memory.
    PageFault = 8,
    /// Waiting, for a reason that could not be told.
    Waiting = 9,
}

impl State {
    /// Every state, in the order of its number.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::Running,
        Self::Runnable,
        Self::WaitingForGil,
        Self::Lock,
        Self::Io,
        Self::Sleeping,
        Self::Stopped,
        Self::PageFault,
        Self::Waiting,
    ];

    /// The state with this number in a container, if there is one.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Its number in a container.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its name in every textual format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Running => "running",
            Self::Runnable => "runnable",
            Self::WaitingForGil => "waiting for GIL",
            Self::Lock => "lock",
            Self::Io => "I/O",
            Self::Sleeping => "sleeping",
            Self::Stopped => "stopped",
            Self::PageFault => "page fault",
            Self::Waiting => "waiting",
        }
    }

    /// The state of a row that carries none of its own: running with a stack,
    /// nothing known without.
    #[must_use]
    pub const fn implied_by(stack: StackId) -> Self {
        if stack.0 == StackId::EMPTY.0 {
            Self::None
        } else {
            Self::Running
        }
    }
}

/// What a recording emits: from `time` on, `track` has this stack and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The thread.
    pub track: TrackId,
    /// Since when.
    pub time: KernelTime,
    /// Its stack; [`StackId::EMPTY`] when it was not sampled from here on.
    pub stack: StackId,
    /// What it was doing.
    pub state: State,
}

/// A row with both its ends: `start` is part of it, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// The thread.
    pub track: TrackId,
    /// When the row begins.
    pub start: KernelTime,
    /// When the next row of the thread begins, or the trace ends.
    pub end: KernelTime,
    /// The stack; [`StackId::EMPTY`] when the thread was not sampled.
    pub stack: StackId,
    /// What the thread was doing.
    pub state: State,
}

impl TimelineRow {
    /// How long the row lasts, in microseconds.
    #[must_use]
    pub const fn microseconds(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn numbers_and_states_are_one_to_one() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(state.number()), number);
            assert_eq!(State::from_number(number as u64), Some(state));
        }
        assert_eq!(State::from_number(10), None);
        assert_eq!(State::from_number(u64::MAX), None);
    }
}
