// SPDX-License-Identifier: MIT OR Apache-2.0

//! The columns next to the rows: the state of each row, what it counts for in a sum, and
//! its thread where the rows of several threads are mixed.

use crate::formats::out::put_number;
use crate::formats::sink::RowOrder;
use crate::model::row::{State, Weight};
use crate::model::varint::{put, take};

/// The columns of a file, row by row.
pub(super) struct Columns {
    /// The state in which each row begins.
    states: Vec<u8>,
    /// What the part of each row in its first state counts for, as a varint each: ten
    /// million rows then take little memory.
    weights: Vec<u8>,
    systems: Vec<u8>,
    /// Whether any row has time in the kernel.
    has_system: bool,
    /// The further states of rows.
    changes: Vec<Change>,
    /// The number of each row's thread, only in [`RowOrder::Time`]: otherwise the ranges of
    /// rows give it.
    threads: Option<Vec<u32>>,
}

/// A further state of a row.
struct Change {
    /// The row's number.
    row: u64,
    /// Microseconds after its start.
    offset: u64,
    state: State,
    weight: Weight,
}

impl Columns {
    pub(super) fn new(order: RowOrder) -> Self {
        let threads = (order == RowOrder::Time).then(Vec::new);
        Self {
            states: Vec::new(),
            weights: Vec::new(),
            systems: Vec::new(),
            has_system: false,
            changes: Vec::new(),
            threads,
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, thread: u32, state: State, weight: Weight) {
        self.states.push(state.number());
        put(&mut self.weights, weight.microseconds());
        put(&mut self.systems, weight.in_microseconds().system);
        self.has_system |= weight.system > 0;
        if let Some(threads) = &mut self.threads {
            threads.push(thread);
        }
    }

    /// Adds another state of a row, `offset` microseconds after its start.
    pub(super) fn change(&mut self, row: u64, offset: u64, state: State, weight: Weight) {
        self.has_system |= weight.system > 0;
        self.changes.push(Change {
            row,
            offset,
            state,
            weight,
        });
    }

    /// Appends `{"state":[1,[1,[250000,4]],0],"weight":[10000,[10000,240000],0]}`.
    pub(super) fn put(&mut self, out: &mut Vec<u8>) {
        // In the order of time, the changes of overlapping rows are mixed.
        self.changes
            .sort_by_key(|change| (change.row, change.offset));
        out.extend(b"{\"state\":[");
        let states = self.states.iter().map(|&state| u64::from(state));
        put_cells(out, states, &self.changes, |out, change| {
            out.extend(format!("[{},{}]", change.offset, change.state.number()).as_bytes());
        });
        out.extend(b"],\"weight\":[");
        put_cells(out, numbers(&self.weights), &self.changes, |out, change| {
            put_number(out, change.weight.microseconds());
        });
        out.push(b']');
        if self.has_system {
            out.extend(b",\"system\":[");
            put_cells(out, numbers(&self.systems), &self.changes, |out, change| {
                put_number(out, change.weight.in_microseconds().system);
            });
            out.push(b']');
        }
        if let Some(threads) = &self.threads {
            out.extend(b",\"thread\":[");
            for (row, thread) in threads.iter().enumerate() {
                comma(out, row > 0);
                put_number(out, u64::from(*thread));
            }
            out.push(b']');
        }
        out.push(b'}');
    }
}

/// The numbers of a column.
fn numbers(mut column: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || take(&mut column))
}

/// Appends a cell for each row: a number, or a list of that number and what its changes add.
fn put_cells(
    out: &mut Vec<u8>,
    first: impl Iterator<Item = u64>,
    changes: &[Change],
    put_change: impl Fn(&mut Vec<u8>, &Change),
) {
    let mut changes = changes.iter().peekable();
    for (row, first) in (0_u64..).zip(first) {
        comma(out, row > 0);
        let several = changes.peek().is_some_and(|change| change.row == row);
        if several {
            out.push(b'[');
        }
        put_number(out, first);
        while let Some(change) = changes.next_if(|change| change.row == row) {
            out.push(b',');
            put_change(out, change);
        }
        if several {
            out.push(b']');
        }
    }
}

fn comma(out: &mut Vec<u8>, wanted: bool) {
    if wanted {
        out.push(b',');
    }
}
