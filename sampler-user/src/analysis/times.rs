//! Times by what a thread was doing. It refuses to know whose they are.

use crate::output::StackTime;
use crate::timeline::State;

/// Microseconds in each state, of a thread that had a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateTimes([u64; State::ALL.len()]);

impl StateTimes {
    pub(super) fn of(times: &[StackTime]) -> Self {
        let mut sums = Self::default();
        for time in times {
            sums.add_one(time.state, time.microseconds);
        }
        sums
    }

    pub(super) fn add_one(&mut self, state: State, microseconds: u64) {
        if let Some(sum) = self.0.get_mut(usize::from(state.number())) {
            *sum = sum.saturating_add(microseconds);
        }
    }

    /// Adds those of another thread.
    pub fn add(&mut self, other: &Self) {
        for (state, microseconds) in other.iter() {
            self.add_one(state, microseconds);
        }
    }

    /// Each state with a time.
    pub fn iter(&self) -> impl Iterator<Item = (State, u64)> {
        let times = State::ALL.into_iter().zip(self.0);
        times.filter(|(_, microseconds)| *microseconds > 0)
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// On a CPU.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.in_state(State::Running)
    }

    /// In one state.
    #[must_use]
    pub fn in_state(&self, state: State) -> u64 {
        let time = self.0.get(usize::from(state.number()));
        time.copied().unwrap_or(0)
    }

    /// Not on a CPU, for whatever reason.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.total() - self.running() - self.in_state(State::None)
    }
}
