// SPDX-License-Identifier: MIT OR Apache-2.0

//! Filters the rows of a thread by stack and state. Rows that are not shown become gaps.

use std::sync::Arc;

use crate::model::identifiers::StackId;
use crate::model::row::{State, TimelineRow, Weight};

/// What is shown. The default is everything.
#[derive(Clone, Debug, Default)]
pub struct RowFilter {
    /// For each stack, by its number, whether it is shown; `None` shows all.
    pub stacks: Option<Arc<[bool]>>,
    /// Whether only rows are shown in which the thread runs on a CPU.
    pub running_only: bool,
}

impl RowFilter {
    fn shows(&self, row: &TimelineRow) -> bool {
        let by_state = !self.running_only || row.state == State::Running;
        let by_stack = match &self.stacks {
            Some(shown) => shown.get(row.stack.index()).copied().unwrap_or(false),
            None => true,
        };
        by_state && by_stack
    }

    /// Turns the rows that are not shown into gaps. Neighbours that are then equal become
    /// one row.
    pub(crate) fn apply<I: Iterator<Item = TimelineRow>>(self, rows: I) -> Filtered<I> {
        let all = self.stacks.is_none() && !self.running_only;
        Filtered {
            rows,
            filter: self,
            all,
            pending: None,
        }
    }
}

/// Rows, some of which are turned into gaps.
pub(crate) struct Filtered<I> {
    rows: I,
    filter: RowFilter,
    all: bool,
    pending: Option<TimelineRow>,
}

impl<I: Iterator<Item = TimelineRow>> Iterator for Filtered<I> {
    type Item = TimelineRow;

    #[inline]
    fn next(&mut self) -> Option<TimelineRow> {
        if self.all {
            return self.rows.next();
        }
        loop {
            let Some(mut row) = self.rows.next() else {
                return self.pending.take();
            };
            if !self.filter.shows(&row) {
                row = TimelineRow {
                    stack: StackId::EMPTY,
                    state: State::None,
                    weight: Weight::ZERO,
                    ..row
                };
            }
            match &mut self.pending {
                Some(before) if (before.stack, before.state) == (row.stack, row.state) => {
                    before.end = row.end;
                    before.weight.add(row.weight);
                }
                _ => {
                    if let Some(before) = self.pending.replace(row) {
                        return Some(before);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RowFilter, StackId, State, TimelineRow, Weight};
    use crate::model::identifiers::{KernelTime, TrackId};

    #[test]
    fn what_is_not_shown_becomes_one_gap() {
        let row = |start, stack, state| TimelineRow {
            track: TrackId(0),
            start: KernelTime(start),
            end: KernelTime(start + 10),
            stack: StackId(stack),
            state,
            weight: Weight::of_samples(10, 2),
        };
        let rows = [
            row(0, 1, State::Running),
            row(10, 2, State::Running),
            row(20, 1, State::Lock),
            row(30, 1, State::Running),
        ];
        let filter = |stacks: Option<[bool; 2]>, running_only| RowFilter {
            stacks: stacks.map(|shown| shown.as_slice().into()),
            running_only,
        };
        let shown = |filter: RowFilter| -> Vec<_> {
            let rows = filter.apply(rows.into_iter());
            rows.map(|row| (row.start.0, row.end.0, row.stack.0, row.weight.count))
                .collect()
        };
        assert_eq!(shown(filter(None, false)).len(), 4);
        assert_eq!(
            shown(filter(Some([true, true]), true)),
            [(0, 10, 1, 2), (10, 30, 0, 0), (30, 40, 1, 2)]
        );
        let all = filter(None, false).apply([rows[0], rows[0]].into_iter());
        assert_eq!(all.count(), 2);
        let merged = filter(Some([true, true]), false).apply([rows[0], rows[0]].into_iter());
        assert_eq!(merged.map(|row| row.weight.count).collect::<Vec<_>>(), [4]);
        assert_eq!(shown(filter(Some([true, false]), false)), [(0, 40, 0, 0)]);
    }
}
