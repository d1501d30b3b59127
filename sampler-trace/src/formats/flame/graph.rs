// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collects the stacks of a flame graph. The time of those that would be too narrow to
//! see is given to the stack that called them.

use std::collections::BTreeMap;

use crate::formats::flame::lines::Lines;
use crate::formats::folded::lines::{StackLines, base};
use crate::formats::sink::Shape;
use crate::model::identifiers::StackId;
use crate::model::row::State;
use crate::model::symbols::Symbols;
use crate::query::aggregate::{Group, StackTime, StackTotals, stack_times};
use crate::query::view::TraceView;

/// Stacks with less than the whole time divided by this are not drawn by themselves: that
/// is a third of a pixel in a picture 1200 pixels wide.
const NARROWEST: u64 = 3600;

pub(super) fn lines(view: &TraceView<'_>, shape: Shape) -> Lines {
    let symbols = &view.trace().symbols;
    let threshold = whole_time(view) / NARROWEST;
    let mut texts = StackLines::new(symbols);
    let mut totals = StackTotals::new(symbols);
    let mut lines = Lines::default();
    for group in Group::all_of(view, shape.merge_threads) {
        let times = stack_times(view, &group.tracks);
        totals.restart(&times);
        let root = base(view, &group);
        for ((stack, state), microseconds) in prune(symbols, &totals, &times, threshold) {
            lines.text.extend_from_slice(root.as_bytes());
            texts.put(stack, state, &mut lines.text);
            lines.end(microseconds);
        }
    }
    lines
}

fn whole_time(view: &TraceView<'_>) -> u64 {
    let rows = view.tracks().iter().flat_map(|&track| view.rows(track));
    rows.filter(|row| row.stack != StackId::EMPTY)
        .map(|row| row.weight.microseconds())
        .sum()
}

/// The stacks that are wide enough, in their order, each with the times of those that it
/// called and that are not.
fn prune(
    symbols: &Symbols,
    totals: &StackTotals<'_>,
    times: &[StackTime],
    threshold: u64,
) -> BTreeMap<(StackId, State), u64> {
    let mut kept = BTreeMap::new();
    for time in times {
        let mut at = time.stack;
        while let Some(node) = symbols.stack(at) {
            if totals.of(at) >= threshold {
                break;
            }
            at = node.parent;
        }
        let drawn = at == time.stack && time.microseconds >= threshold;
        let state = if drawn { time.state } else { State::None };
        *kept.entry((at, state)).or_default() += time.microseconds;
    }
    kept
}
