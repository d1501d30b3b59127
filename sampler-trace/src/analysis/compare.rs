// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compares two traces function by function. It compares shares of time, because two
//! recordings are never equally long.

use std::collections::BTreeMap;

use crate::analysis::Analysis;
use crate::analysis::functions::FunctionTimes;

/// Two analyses and how they differ.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// The analysis before and the one after.
    pub sides: [&'a Analysis; 2],
    /// All functions of either, those that changed most first.
    pub functions: Vec<FunctionChange>,
}

/// The times of a function in both traces.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionChange {
    /// Its name.
    pub function: String,
    /// Its file.
    pub file: String,
    /// Its times before and after; zero where it was not seen.
    pub sides: [FunctionShares; 2],
}

/// A function's part of the time of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FunctionShares {
    /// Microseconds in which it was innermost.
    pub own_us: u64,
    /// The same as a part of the trace's whole time, 0 to 1.
    pub own_share: f64,
    /// Microseconds in which it was in the stack. The base is included, because the two
    /// traces may have different bases.
    pub total_us: u64,
    /// The same as a part of the trace's whole time, 0 to 1.
    pub total_share: f64,
}

impl FunctionChange {
    /// Returns by how much the share of its own time grew, -1 to 1.
    #[must_use]
    pub fn own_growth(&self) -> f64 {
        let [before, after] = self.sides;
        after.own_share - before.own_share
    }

    /// Returns by how much the share of its total time grew, -1 to 1.
    #[must_use]
    pub fn total_growth(&self) -> f64 {
        let [before, after] = self.sides;
        after.total_share - before.total_share
    }
}

impl<'a> Comparison<'a> {
    /// Compares two analyses.
    #[must_use]
    pub fn new(before: &'a Analysis, after: &'a Analysis) -> Self {
        let mut by_name: BTreeMap<(&str, &str), [FunctionShares; 2]> = BTreeMap::new();
        for (side, analysis) in [before, after].into_iter().enumerate() {
            let all = analysis.times.total();
            for function in &analysis.functions {
                let key = (
                    function.place.file.as_str(),
                    function.place.function.as_str(),
                );
                if let Some(slot) = by_name.entry(key).or_default().get_mut(side) {
                    *slot = shares(function, all);
                }
            }
        }
        let changes = by_name
            .into_iter()
            .map(|((file, function), sides)| FunctionChange {
                function: function.to_owned(),
                file: file.to_owned(),
                sides,
            });
        let mut functions: Vec<_> = changes.collect();
        functions.sort_by(|a, b| {
            let own = b.own_growth().abs().total_cmp(&a.own_growth().abs());
            own.then_with(|| b.total_growth().abs().total_cmp(&a.total_growth().abs()))
        });
        Self {
            sides: [before, after],
            functions,
        }
    }
}

fn shares(function: &FunctionTimes, all: u64) -> FunctionShares {
    let share = |time: u64| time as f64 / all.max(1) as f64;
    FunctionShares {
        own_us: function.own_us,
        own_share: share(function.own_us),
        total_us: function.with_base_us,
        total_share: share(function.with_base_us),
    }
}
