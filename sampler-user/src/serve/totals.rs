// SPDX-License-Identifier: MIT OR Apache-2.0

//! The counters of a recorder since it began, over all of its chunks.

use std::collections::BTreeMap;

use sampler_trace::container::info::is_maximum;

/// Counters by name, as a trace carries them.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals(BTreeMap<&'static str, u64>);

impl Totals {
    /// Adds the counters of a chunk.
    pub(super) fn add(&mut self, counts: &[(&'static str, u64)]) {
        for (name, count) in counts {
            let sum = self.0.entry(name).or_default();
            *sum = match is_maximum(name) {
                true => (*sum).max(*count),
                false => sum.saturating_add(*count),
            };
        }
    }

    /// Returns the sum of a counter so far; 0 if there is none of this name.
    pub(super) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(super) fn named(self) -> BTreeMap<String, u64> {
        let all = self.0.into_iter();
        all.map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_up_and_maxima_do_not() {
        let mut totals = Totals::default();
        totals.add(&[("taken", 3), ("behind_us", 50)]);
        totals.add(&[("taken", 4), ("behind_us", 20)]);
        let named = totals.named();
        assert_eq!((named["taken"], named["behind_us"]), (7, 50));
    }
}
