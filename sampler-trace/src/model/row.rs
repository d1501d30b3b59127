// SPDX-License-Identifier: MIT OR Apache-2.0

//! A row: one thread with one stack and one state, from one time to another.

use crate::model::identifiers::{KernelTime, StackId, TrackId};

/// What a thread was doing during a row.
///
/// The numbers are part of the container's format: new states get new numbers, and no
/// number changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Nothing is known: the thread was not sampled, or has ended.
    #[default]
    None = 0,
    /// On a CPU.
    Running = 1,
    /// Ready to run, waiting for a CPU.
    Runnable = 2,
    /// Waiting for the global interpreter lock.
    WaitingForGil = 3,
    /// Waiting for a lock that is not the global interpreter lock.
    Lock = 4,
    /// Waiting for input or output: poll, select, a socket, a file.
    Io = 5,
    /// Sleeping until a point in time.
    Sleeping = 6,
    /// Stopped by a signal or a tracer.
    Stopped = 7,
    /// Waiting for a page of memory.
    PageFault = 8,
    /// Waiting, for a reason that could not be determined.
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

    /// Returns the state with this number in a container, if there is one.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Returns its number in a container.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns its name in every textual format.
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

    /// Returns the state of a row that carries none of its own: running with a stack,
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

/// The time that samples represent: their number times the time that each one represents.
///
/// A row is drawn from its first sample to the thread's next row, including ticks at
/// which the thread did not run. Its length is therefore no CPU time; its weight is.
///
/// ```
/// use sampler_trace::model::row::Weight;
///
/// let mut weight = Weight::of_samples(10_000_000, 3);
/// weight.add(Weight { system: 1, ..Weight::of_samples(10_000_000, 1) });
/// assert_eq!(weight.nanoseconds(), 40_000_000);
/// assert_eq!(weight.system_nanoseconds(), 10_000_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// The time that each sample represents, in nanoseconds: the sampling period.
    pub unit: u64,
    /// The number of samples.
    pub count: u64,
    /// The number of samples that found the thread in the kernel; at most `count`.
    pub system: u64,
}

/// The counts that a container holds stay below this.
const MOST: u64 = 1 << 50;

impl Weight {
    /// The weight of no samples.
    pub const ZERO: Self = Self {
        unit: 0,
        count: 0,
        system: 0,
    };

    /// Returns the weight of `count` samples in user mode, one each `period` nanoseconds.
    #[must_use]
    pub const fn of_samples(period: u64, count: u64) -> Self {
        Self {
            unit: period,
            count,
            system: 0,
        }
    }

    /// Returns the weight of a length in microseconds for which no samples are known.
    #[must_use]
    pub const fn of_length(microseconds: u64) -> Self {
        Self::of_samples(1000, microseconds)
    }

    /// Returns the time that the samples represent, in nanoseconds.
    #[must_use]
    pub const fn nanoseconds(&self) -> u64 {
        self.count.saturating_mul(self.unit)
    }

    /// Returns the time that the samples represent, rounded to microseconds.
    #[must_use]
    pub const fn microseconds(&self) -> u64 {
        self.nanoseconds().saturating_add(500) / 1000
    }

    /// Returns the part of that time in the kernel, in nanoseconds.
    #[must_use]
    pub const fn system_nanoseconds(&self) -> u64 {
        self.system.saturating_mul(self.unit)
    }

    /// Whether it is a weight of no samples.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.count == 0
    }

    /// Returns how many samples it consists of, where a sample represents `period`
    /// nanoseconds unless the weight says so itself; 0 where neither is known.
    #[must_use]
    pub fn samples(&self, period: u64) -> u64 {
        // A unit this short is that of a length, in microseconds, or of a sum of two
        // periods, in nanoseconds.
        if self.unit > 1000 {
            return self.count;
        }
        let rounded = self.nanoseconds().saturating_add(period / 2);
        rounded.checked_div(period).unwrap_or(0)
    }

    /// Adds another weight. The sum of two periods is in nanoseconds.
    pub fn add(&mut self, other: Self) {
        if other.is_zero() {
            return;
        }
        if self.is_zero() {
            *self = other;
            return;
        }
        let [a, b] = if self.unit == other.unit {
            [*self, other]
        } else {
            [self.in_nanoseconds(), other.in_nanoseconds()]
        };
        *self = Self {
            unit: a.unit,
            count: a.count.saturating_add(b.count),
            system: a.system.saturating_add(b.system),
        };
    }

    /// Returns the fraction `part / whole` of it.
    #[must_use]
    pub fn scaled(&self, part: u64, whole: u64) -> Self {
        if part == whole || whole == 0 {
            return *self;
        }
        let scale = |nanoseconds: u64| {
            let scaled = u128::from(nanoseconds) * u128::from(part) / u128::from(whole);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Self {
            unit: 1,
            count: scale(self.nanoseconds()),
            system: scale(self.system_nanoseconds()),
        }
    }

    /// Returns the same weight with microseconds as its unit.
    #[must_use]
    pub const fn in_microseconds(&self) -> Self {
        Self {
            unit: 1000,
            count: self.microseconds(),
            system: self.system_nanoseconds() / 1000,
        }
    }

    /// Returns the same weight with a count that leaves room for two more bits in a
    /// number of a container.
    pub(crate) fn fitting(self) -> Self {
        let mut weight = self;
        while weight.count >= MOST {
            weight = Self {
                unit: weight.unit.saturating_mul(1000),
                count: weight.count / 1000,
                system: weight.system / 1000,
            };
        }
        weight
    }

    fn in_nanoseconds(self) -> Self {
        Self {
            unit: 1,
            count: self.nanoseconds(),
            system: self.system_nanoseconds(),
        }
    }
}

/// What a recording emits: from `time` on, `track` has this stack and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The thread.
    pub track: TrackId,
    /// When that begins.
    pub time: KernelTime,
    /// Its stack; [`StackId::EMPTY`] when it was not sampled from here on.
    pub stack: StackId,
    /// What it was doing.
    pub state: State,
    /// What the samples in it represent, as far as they are known; [`Weight::ZERO`] where
    /// none are.
    pub weight: Weight,
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
    /// What the row counts for in a sum: its length, where no sample of it is known.
    pub weight: Weight,
}

impl TimelineRow {
    /// Returns how long the row lasts, in microseconds.
    #[must_use]
    pub const fn microseconds(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::{State, Weight};

    #[test]
    fn weights_of_one_period_are_counts_and_of_two_nanoseconds() {
        let mut weight = Weight::ZERO;
        weight.add(Weight::of_samples(20_408_163, 2));
        weight.add(Weight::ZERO);
        weight.add(Weight {
            system: 1,
            ..Weight::of_samples(20_408_163, 1)
        });
        assert_eq!((weight.count, weight.system), (3, 1));
        assert_eq!((weight.samples(5), weight.samples(0)), (3, 3));
        let halves = Weight::of_length(25_000);
        assert_eq!((halves.samples(10_000_000), halves.samples(0)), (3, 0));
        assert_eq!(weight.scaled(1, 2).nanoseconds(), 30_612_244);
        assert_eq!(weight.scaled(5, 5), weight);
        weight.add(Weight::of_samples(1_000_000, 1));
        assert_eq!((weight.unit, weight.count), (1, 62_224_489));
        assert_eq!(weight.system_nanoseconds(), 20_408_163);
        let most = Weight::of_samples(u64::MAX, u64::MAX);
        weight.add(most);
        assert_eq!(weight.nanoseconds(), u64::MAX);
        assert_eq!(most.scaled(2, 1).count, u64::MAX);
    }

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
