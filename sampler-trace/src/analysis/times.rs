// SPDX-License-Identifier: MIT OR Apache-2.0

//! Adds up times by the state of a thread.

use crate::model::row::State;
use crate::query::aggregate::StackTime;

/// Microseconds in each state, while a thread had a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateTimes {
    by_state: [u64; State::ALL.len()],
    /// The part of the time on a CPU that was in the kernel.
    system: u64,
}

impl StateTimes {
    pub(super) fn new(times: &[StackTime]) -> Self {
        let mut sums = Self::default();
        for time in times {
            sums.add_one(time.state, time.microseconds);
            sums.system = sums.system.saturating_add(time.system);
        }
        sums
    }

    pub(super) fn add_one(&mut self, state: State, microseconds: u64) {
        if let Some(sum) = self.by_state.get_mut(usize::from(state.number())) {
            *sum = sum.saturating_add(microseconds);
        }
    }

    /// Adds the times of another thread.
    pub fn add(&mut self, other: &Self) {
        for (state, microseconds) in other.iter() {
            self.add_one(state, microseconds);
        }
        self.system = self.system.saturating_add(other.system);
    }

    /// Iterates over the states that have a time, with that time in microseconds.
    pub fn iter(&self) -> impl Iterator<Item = (State, u64)> {
        let times = State::ALL.into_iter().zip(self.by_state);
        times.filter(|(_, microseconds)| *microseconds > 0)
    }

    /// Returns the time in all states, in microseconds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_state.iter().sum()
    }

    /// Returns the time on a CPU, in microseconds.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.in_state(State::Running)
    }

    /// Returns the time on a CPU in the kernel, in microseconds.
    #[must_use]
    pub fn system(&self) -> u64 {
        self.system
    }

    /// Returns the time on a CPU in user mode, in microseconds.
    #[must_use]
    pub fn user(&self) -> u64 {
        self.running().saturating_sub(self.system)
    }

    /// Returns the time in one state, in microseconds.
    #[must_use]
    pub fn in_state(&self, state: State) -> u64 {
        let time = self.by_state.get(usize::from(state.number()));
        time.copied().unwrap_or(0)
    }

    /// Returns the time off CPU, for whatever reason, in microseconds.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.total() - self.running() - self.in_state(State::None)
    }
}
