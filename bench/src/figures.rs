// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collects all repetitions of one profiler at one target into the numbers of a table's
//! row.

use std::time::Duration;

use serde_json::{Value, json};

use super::procfs::Division;
use super::round::{Cost, Ratio};
use super::spread::Spread;

/// What was measured in all rounds.
#[derive(Default)]
pub(super) struct Figures {
    cpu: Spread,
    uncharged: Spread,
    per_stack: Spread,
    taken: Spread,
    errors: Spread,
    memory: Spread,
    per_cpu_second: Spread,
    per_second: Spread,
    division: Division,
}

impl Figures {
    /// Adds what a profiler cost in one turn.
    pub(super) fn add_cost(&mut self, cost: &Cost) {
        let percent = |time: Duration| 100.0 * time.as_secs_f64() / cost.window.as_secs_f64();
        let total = cost.spent.process + cost.spent.uncharged;
        self.cpu.add(percent(total));
        self.uncharged.add(percent(cost.spent.uncharged));
        let stacks = cost.stacks_per_second * cost.window.as_secs_f64();
        if stacks > 0.0 {
            self.per_stack.add(total.as_secs_f64() * 1e6 / stacks);
        }
        if cost.asked_per_second > 0.0 {
            self.taken
                .add(100.0 * cost.stacks_per_second / cost.asked_per_second);
        }
        self.errors.add(100.0 * cost.outcome.errors);
        self.memory.add(cost.outcome.peak_memory as f64);
        self.division.user += cost.spent.division.user;
        self.division.system += cost.spent.division.system;
    }

    /// Adds how fast the target was in one round, relative to its speed without a
    /// profiler.
    pub(super) fn add_ratio(&mut self, ratio: Ratio) {
        self.per_cpu_second.add(ratio.per_cpu_second);
        self.per_second.add(ratio.per_second);
    }

    /// Returns medians and spreads, which are null for what was not measured.
    pub(super) fn to_json(&self) -> Value {
        let Division { user, system } = self.division;
        let system_share = (user + system > 0).then(|| system as f64 / (user + system) as f64);
        json!({
            "cpu_percent": self.cpu.to_json(),
            "uncharged_cpu_percent": self.uncharged.to_json(),
            "system_share_of_process": system_share,
            // Microseconds per stack are milliseconds per thousand stacks.
            "cpu_us_per_stack": self.per_stack.to_json(),
            "taken_percent_of_asked": self.taken.to_json(),
            "errors_percent": self.errors.to_json(),
            "peak_kib": self.memory.to_json(),
            "work_per_cpu_second_ratio": self.per_cpu_second.ratios_to_json(),
            "work_per_second_ratio": self.per_second.ratios_to_json(),
        })
    }
}
