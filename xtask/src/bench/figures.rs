//! All repetitions of one profiler at one target, as numbers of a table's row.
//! It refuses to measure.

use std::time::Duration;

use serde_json::{Value, json};

use super::spread::Spread;
use super::turn::{Cost, Ratio};

/// What was measured in all turns.
#[derive(Default)]
pub(super) struct Figures {
    process: Spread,
    uncharged: Spread,
    total: Spread,
    passes: Spread,
    errors: Spread,
    per_cpu_second: Spread,
    per_second: Spread,
}

impl Figures {
    /// Adds what a profiler cost in one turn.
    pub(super) fn add_cost(&mut self, cost: Cost) {
        let percent = |time: Duration| 100.0 * time.as_secs_f64() / cost.elapsed.as_secs_f64();
        let [process, uncharged] = [cost.spent.process, cost.spent.uncharged].map(percent);
        self.process.add(process);
        self.uncharged.add(uncharged);
        self.total.add(process + uncharged);
        self.passes
            .add(100.0 * cost.tally.passes / cost.tally.asked);
        self.errors.add(100.0 * cost.tally.errors);
    }

    /// Adds how fast the target was in one turn.
    pub(super) fn add_ratio(&mut self, ratio: Ratio) {
        self.per_cpu_second.add(ratio.per_cpu_second);
        self.per_second.add(ratio.per_second);
    }

    /// Medians and extremes; what was not measured has none.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "cpu_percent": self.total.to_json(),
            "process_cpu_percent": self.process.to_json(),
            "uncharged_cpu_percent": self.uncharged.to_json(),
            "passes_percent": self.passes.to_json(),
            "errors_percent": self.errors.to_json(),
            "work_per_cpu_second_ratio": self.per_cpu_second.to_json(),
            "work_per_second_ratio": self.per_second.to_json(),
        })
    }
}
