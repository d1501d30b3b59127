// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can become of a sample before user space sees it. Each fate is counted in total,
//! by its [`Counter`], and for the process, in its
//! [`KernelAccount`](crate::account::KernelAccount).

use crate::counter::Counter;

/// What can become of a sample before user space sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Fate {
    /// It was begun: a tick hit a thread of a followed process, or a scan set out to sample
    /// an off-CPU thread, or its return to a CPU did. What becomes of it is counted besides.
    Taken = 0,
    /// It was dropped because the ring buffer was full.
    Lost = 1,
    /// No interpreter of its process was known: the process is just starting, or its program
    /// is not a Python that can be sampled.
    Unsupported = 2,
    /// It was given up: the kernel's record of the thread could not be read, or there was no
    /// memory for the sample.
    TaskUnreadable = 3,
}

impl Fate {
    /// The number of fates.
    pub const COUNT: usize = 4;

    /// All fates, by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Taken,
        Self::Lost,
        Self::Unsupported,
        Self::TaskUnreadable,
    ];

    /// Returns the counter of the same samples in total.
    #[inline(always)]
    pub const fn counter(self) -> Counter {
        match self {
            Self::Taken => Counter::Taken,
            Self::Lost => Counter::Lost,
            Self::Unsupported => Counter::Unsupported,
            Self::TaskUnreadable => Counter::TaskUnreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions_and_counters_are_distinct() {
        for (position, fate) in Fate::ALL.iter().enumerate() {
            assert_eq!(*fate as usize, position);
            let before = &Fate::ALL[..position];
            assert!(before.iter().all(|it| it.counter() != fate.counter()));
        }
    }
}
