// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the entries of a trace's tables that a part of the trace needs, and renumbers
//! them from zero, so that the file of a part names nothing else.

use crate::model::identifiers::{FrameId, StackId, TrackId};
use crate::model::row::State;
use crate::model::symbols::Symbols;
use crate::query::labels;
use crate::query::view::TraceView;

/// Marks an entry that is not used.
const UNUSED: u32 = u32::MAX;

/// The stacks and states that some threads have.
#[derive(Debug)]
pub(crate) struct UsedStacks {
    /// For each stack, by its number, whether it is used, even if only as the caller of another.
    stacks: Vec<bool>,
    states: [bool; State::ALL.len()],
}

impl UsedStacks {
    pub(crate) fn new(view: &TraceView<'_>, tracks: &[TrackId]) -> Self {
        let symbols = &view.trace().symbols;
        let mut used = Self {
            stacks: vec![false; symbols.stack_count() as usize],
            states: [false; State::ALL.len()],
        };
        for &track in tracks {
            for row in view.rows(track) {
                if let Some(stack) = used.stacks.get_mut(row.stack.index()) {
                    *stack = true;
                }
                if let Some(state) = used.states.get_mut(usize::from(row.state.number())) {
                    *state = true;
                }
            }
        }
        // Callers have smaller numbers, so one pass from the end finds them all.
        for number in (1..symbols.stack_count()).rev() {
            let stack = StackId(number);
            if used.has(stack)
                && let Some(node) = symbols.stack(stack)
                && let Some(parent) = used.stacks.get_mut(node.parent.index())
            {
                *parent = true;
            }
        }
        used
    }

    pub(crate) fn has(&self, stack: StackId) -> bool {
        self.stacks.get(stack.index()).copied().unwrap_or(false)
    }

    /// The used stacks in the order of their numbers, without the empty one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = StackId> {
        let numbers = 1..u32::try_from(self.stacks.len()).unwrap_or(u32::MAX);
        numbers.map(StackId).filter(|&stack| self.has(stack))
    }

    /// The used states in which a thread does not run.
    pub(crate) fn waiting_states(&self) -> impl Iterator<Item = State> {
        let used = State::ALL.into_iter().zip(self.states);
        used.filter(|(state, used)| *used && labels::is_waiting(*state))
            .map(|(state, _)| state)
    }

    /// The frames of the used stacks.
    pub(crate) fn frames(&self, symbols: &Symbols) -> Renumbered {
        let mut frames = Renumbered::new(symbols.frame_count());
        let nodes = self.iter().filter_map(|stack| symbols.stack(stack));
        for node in nodes {
            frames.number(node.frame.0);
        }
        frames
    }
}

/// New numbers for some entries of a table, in the order in which they were first asked for.
#[derive(Debug)]
pub(crate) struct Renumbered {
    new: Vec<u32>,
    old: Vec<u32>,
}

impl Renumbered {
    pub(crate) fn new(entries: u32) -> Self {
        Self {
            new: vec![UNUSED; entries as usize],
            old: Vec::new(),
        }
    }

    /// Returns the new number of an entry, and assigns one if it has none.
    pub(crate) fn number(&mut self, old: u32) -> u32 {
        let Some(slot) = self.new.get_mut(old as usize) else {
            return 0;
        };
        if *slot == UNUSED {
            *slot = u32::try_from(self.old.len()).unwrap_or(UNUSED);
            self.old.push(old);
        }
        *slot
    }

    /// The new number of an entry, if one was assigned.
    pub(crate) fn known(&self, old: u32) -> Option<u32> {
        let new = self.new.get(old as usize).copied();
        new.filter(|&number| number != UNUSED)
    }

    /// The new number of a frame; 0 when it has none.
    pub(crate) fn of_frame(&self, frame: FrameId) -> u32 {
        self.known(frame.0).unwrap_or(0)
    }

    /// The old numbers, in the order of the new ones.
    pub(crate) fn old(&self) -> &[u32] {
        &self.old
    }
}
