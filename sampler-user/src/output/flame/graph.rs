//! The stacks of a flame graph, without those that would be too narrow to see:
//! their time is given to the stack that called them. It refuses to draw.

use std::collections::BTreeMap;

use super::Lines;
use crate::output::folded::{StackLines, base};
use crate::output::{Group, Shape, StackTime, StackTotals, TraceView, stack_times};
use crate::timeline::{StackId, State, Symbols};

/// Stacks below this part of the whole time are not drawn by themselves: a
/// third of a pixel of 1200.
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
        .map(|row| row.microseconds())
        .sum()
}

/// The stacks, in their order, that are wide enough, with the times of those
/// that are not.
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
