// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the time of a trace went: by process and thread, by function, and along the
//! heaviest path.

mod account_text;
pub mod compare;
mod compare_text;
mod functions;
mod heaviest;
pub mod json;
mod place;
mod text;
mod text_values;
mod threads;
mod times;

use crate::analysis::functions::{FunctionSums, FunctionTimes};
use crate::analysis::heaviest::PathStep;
use crate::analysis::threads::{ProcessTimes, ThreadTimes};
use crate::analysis::times::StateTimes;
use crate::container::info::{Counts, RateChange, TraceInfo};
use crate::query::aggregate::{StackTotals, stack_times};
use crate::query::view::TraceView;

/// Where the time of a trace, or of a part of it, went.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// How the trace was taken.
    pub recording: TraceOverview,
    /// The times of all threads together.
    pub times: StateTimes,
    /// The processes, the one with the most time first.
    pub processes: Vec<ProcessTimes>,
    /// All functions that have a time, the one with the most time of its own first.
    pub functions: Vec<FunctionTimes>,
    /// The path from the outermost frame to where the most time was spent.
    pub heaviest: Vec<PathStep>,
    /// The counters of the whole recording.
    pub counts: Counts,
}

/// How a trace was taken, and how much of it there is.
#[derive(Clone, Debug)]
pub struct TraceOverview {
    /// The description in the file.
    pub info: TraceInfo,
    /// The mode that is shown.
    pub mode: &'static str,
    /// Unix time at which the part begins, in microseconds; 0 when not known.
    pub start_us: u64,
    /// How long the part is, in microseconds.
    pub length_us: u64,
    /// How many threads it has.
    pub threads: usize,
    /// The changes to another rate than that of the header.
    pub rates: Vec<RateChange>,
    /// Whether the file is cut off; the trace then ends with its last whole segment.
    pub torn: bool,
}

impl Analysis {
    /// Adds up the rows of a view.
    #[must_use]
    pub fn new(view: &TraceView<'_>) -> Self {
        let trace = view.trace();
        let symbols = &trace.symbols;
        let mut sums = FunctionSums::new(symbols);
        let mut totals = StackTotals::new(symbols);
        let mut paths = heaviest::PathSums::new(symbols);
        let mut threads = Vec::new();
        let mut times = StateTimes::default();
        for &track in view.tracks() {
            let of_stacks = stack_times(view, &[track]);
            totals.restart(&of_stacks);
            let base = threads::base(symbols, &totals, &of_stacks);
            sums.add(&of_stacks, &totals, base);
            paths.add(&of_stacks);
            let of_states = StateTimes::new(&of_stacks);
            times.add(&of_states);
            threads.extend(ThreadTimes::new(view, track, of_states, base));
        }
        let info = trace.info.clone();
        let start_us = match info.unix_start_us {
            0 => 0,
            _ => info.unix_microseconds(view.start()),
        };
        Self {
            recording: TraceOverview {
                info,
                mode: view.mode().name(),
                start_us,
                length_us: view.microseconds(view.end()),
                threads: view.tracks().len(),
                rates: trace.summary.rates.clone(),
                torn: trace.torn.is_some(),
            },
            times,
            processes: threads::by_process(view, threads),
            functions: sums.finish(),
            heaviest: paths.heaviest(),
            counts: trace.summary.counts.clone(),
        }
    }
}
