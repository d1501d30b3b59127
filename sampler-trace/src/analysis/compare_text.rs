// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a comparison as text for a terminal.

use std::fmt;

use crate::analysis::compare::{Comparison, FunctionChange};
use crate::analysis::text::recording;
use crate::analysis::text_values::{percent, seconds, shown};
use crate::model::row::State;

/// The text of a comparison, with at most `top` functions.
pub struct ComparisonReport<'a> {
    comparison: &'a Comparison<'a>,
    top: usize,
}

impl<'a> Comparison<'a> {
    /// Returns the text, with at most `top` functions.
    #[must_use]
    pub fn report(&'a self, top: usize) -> ComparisonReport<'a> {
        ComparisonReport {
            comparison: self,
            top,
        }
    }
}

impl fmt::Display for ComparisonReport<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.comparison.sides;
        write!(out, "A: ")?;
        recording(out, &before.recording)?;
        write!(out, "B: ")?;
        recording(out, &after.recording)?;
        writeln!(
            out,
            "\n  {:>8} {:>8} {:>8}  of all time with a stack",
            "A", "B", "change"
        )?;
        writeln!(
            out,
            "  {:>8} {:>8} {:>8}  all",
            seconds(before.times.total()),
            seconds(after.times.total()),
            ""
        )?;
        for state in State::ALL {
            let [a, b] =
                [before, after].map(|side| (side.times.in_state(state), side.times.total()));
            if a.0 + b.0 > 0 {
                let growth = share(b) - share(a);
                writeln!(
                    out,
                    "  {:>8} {:>8} {:>8}  {}",
                    percent(a.0, a.1),
                    percent(b.0, b.1),
                    points(growth),
                    state.name()
                )?;
            }
        }
        let system = [before, after].map(|side| (side.times.system(), side.times.total()));
        let [a, b] = system;
        if a.0 + b.0 > 0 {
            writeln!(
                out,
                "  {:>8} {:>8} {:>8}  running in the kernel",
                percent(a.0, a.1),
                percent(b.0, b.1),
                points(share(b) - share(a)),
            )?;
        }
        writeln!(out, "\nFunctions whose share of the time changed most:")?;
        writeln!(out, "  {:>25}  {:>25}", "own", "total")?;
        let header = ["A", "B", "change"];
        let [a, b, change] = header;
        writeln!(out, "  {a:>8}{b:>8}{change:>9}  {a:>8}{b:>8}{change:>9}")?;
        for function in self.comparison.functions.iter().take(self.top) {
            line(out, function)?;
        }
        match self.comparison.functions.len().saturating_sub(self.top) {
            0 => Ok(()),
            more => writeln!(out, "  and {more} more functions"),
        }
    }
}

fn line(out: &mut fmt::Formatter<'_>, of: &FunctionChange) -> fmt::Result {
    let [a, b] = of.sides;
    let part = |share: f64| format!("{:.1} %", share * 100.0);
    writeln!(
        out,
        "  {:>8}{:>8}{:>9}  {:>8}{:>8}{:>9}  {} ({})",
        part(a.own_share),
        part(b.own_share),
        points(of.own_growth()),
        part(a.total_share),
        part(b.total_share),
        points(of.total_growth()),
        shown(&of.function),
        shown(&of.file),
    )
}

fn share((part, whole): (u64, u64)) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Formats a difference of shares in percentage points: `+1.5`.
fn points(difference: f64) -> String {
    format!("{:+.1}", difference * 100.0)
}
