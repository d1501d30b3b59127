// SPDX-License-Identifier: MIT OR Apache-2.0

//! The small values that rows are made of: a time, and handles into tables.

use std::time::Duration;

/// A point in time on the kernel's `CLOCK_MONOTONIC`, in nanoseconds.
///
/// It never runs backwards and has no relation to the wall clock; the header
/// of a trace carries the offset to Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelTime(pub u64);

impl KernelTime {
    /// Returns this time, later by `by`; the end of the clock when that does not fit.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(by)))
    }

    /// Returns this time, earlier by `by`; the clock's start when that does not fit.
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(by)))
    }

    /// Returns how long after `earlier` this is; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

macro_rules! handle {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// Returns the handle as a position in its table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

handle! {
    /// A string of a trace. Number 0 is the empty string.
    StringId
}
handle! {
    /// A frame of a trace: file, function, line, source line.
    FrameId
}
handle! {
    /// A stack of a trace: a frame and the stack it was called from.
    StackId
}
handle! {
    /// A thread of a trace, from its start to its end.
    TrackId
}
handle! {
    /// A process of a trace, from its start (or `exec`) to its end.
    ProcessIndex
}

impl StringId {
    /// The empty string.
    pub const EMPTY: Self = Self(0);
}

impl StackId {
    /// The stack without frames: the thread was not sampled.
    pub const EMPTY: Self = Self(0);
}
