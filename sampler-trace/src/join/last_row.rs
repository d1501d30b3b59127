// SPDX-License-Identifier: MIT OR Apache-2.0

//! The rows of each thread over all chunks: where one goes on, where it has a gap, and which
//! part of it is wanted.

use crate::join::window::{JoinWindow, Span};
use crate::model::identifiers::{KernelTime, StackId, TrackId};
use crate::model::row::{RowChange, State, Weight};

/// The stack of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowStack {
    /// By its number in the joined trace.
    Joined(StackId),
    /// By its number in the current chunk: no part of the row is wanted so far.
    OfChunk(StackId),
}

/// The last row of a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastRow {
    pub(super) stack: RowStack,
    pub(super) span: Span,
    /// Whether the joined trace has the row.
    pub(super) is_shown: bool,
    /// What it has of its weight, in nanoseconds: all, and in the kernel.
    given: [u64; 2],
    /// The chunk that had a row of it last.
    pub(super) chunk: u32,
}

impl Default for LastRow {
    fn default() -> Self {
        Self {
            stack: RowStack::Joined(StackId::EMPTY),
            span: Span::default(),
            is_shown: false,
            given: [0; 2],
            chunk: 0,
        }
    }
}

impl LastRow {
    /// Whether nothing is known of the thread from its last row on.
    pub(super) fn is_gap(&self) -> bool {
        let (RowStack::Joined(stack) | RowStack::OfChunk(stack)) = self.stack;
        stack == StackId::EMPTY && self.span.state == State::None
    }

    /// Begins another row.
    pub(super) fn begin(&mut self, stack: RowStack, span: Span) {
        self.stack = stack;
        self.span = span;
        self.is_shown = false;
        self.given = [0; 2];
    }

    /// Returns the part of the row's weight that the joined trace has to get when the row
    /// lasts until `until` at least. In the end it has as much of the row as the window.
    pub(super) fn take_share(&mut self, window: JoinWindow, until: KernelTime) -> Weight {
        let share = window.share(&self.span, until.max(self.span.start));
        let [all, system] = self.given;
        let now = [share.nanoseconds(), share.system_nanoseconds()];
        if all == 0 && system == 0 {
            self.given = now;
            return share;
        }
        let [now_all, now_system] = [now[0].max(all), now[1].max(system)];
        self.given = [now_all, now_system];
        let count = now_all - all;
        Weight {
            unit: 1,
            count,
            system: (now_system - system).min(count),
        }
    }

    /// Notes that the joined trace has all of the row's weight so far.
    pub(super) fn give_all(&mut self) {
        let total = &self.span.total;
        self.given = [total.nanoseconds(), total.system_nanoseconds()];
    }
}

/// A change that ends a row with nothing known.
pub(super) fn gap(track: TrackId, time: KernelTime) -> RowChange {
    RowChange {
        track,
        time,
        stack: StackId::EMPTY,
        state: State::None,
        weight: Weight::ZERO,
    }
}
