// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the heaviest path: from the outermost frame it always follows the call with the
//! most time, until a frame has more time of its own than any one call from it. The
//! stacks of all threads form one tree.

use crate::analysis::place::CodePlace;
use crate::model::identifiers::StackId;
use crate::model::symbols::Symbols;
use crate::query::aggregate::StackTime;

/// A frame of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStep {
    /// The function and the line.
    pub place: CodePlace,
    /// Microseconds in it and in all that it called, on this path.
    pub total_us: u64,
    /// Microseconds in which it was innermost, on this path.
    pub own_us: u64,
}

pub(super) struct PathSums<'a> {
    symbols: &'a Symbols,
    own: Vec<u64>,
}

impl<'a> PathSums<'a> {
    pub(super) fn new(symbols: &'a Symbols) -> Self {
        Self {
            symbols,
            own: vec![0; symbols.stack_count() as usize],
        }
    }

    pub(super) fn add(&mut self, times: &[StackTime]) {
        for time in times {
            if let Some(own) = self.own.get_mut(time.stack.index()) {
                *own += time.microseconds;
            }
        }
    }

    pub(super) fn heaviest(self) -> Vec<PathStep> {
        let mut totals = self.own.clone();
        let mut best = vec![StackId::EMPTY; totals.len()];
        let total_of = |totals: &[u64], stack: StackId| totals.get(stack.index()).copied();
        // Callers have smaller numbers, so that going backwards each total is complete.
        for number in (1..self.symbols.stack_count()).rev() {
            let stack = StackId(number);
            let (Some(node), Some(total)) = (self.symbols.stack(stack), total_of(&totals, stack))
            else {
                continue;
            };
            if let Some(parent) = totals.get_mut(node.parent.index()) {
                *parent += total;
            }
            if let Some(slot) = best.get_mut(node.parent.index()) {
                let known = total_of(&totals, *slot).filter(|_| *slot != StackId::EMPTY);
                if total > 0 && known.is_none_or(|known| total >= known) {
                    *slot = stack;
                }
            }
        }
        let mut path = Vec::new();
        let mut at = StackId::EMPTY;
        loop {
            let own = total_of(&self.own, at).unwrap_or(0);
            let next = best.get(at.index()).copied().unwrap_or_default();
            let weight = total_of(&totals, next).unwrap_or(0);
            if next == StackId::EMPTY || weight < own {
                return path;
            }
            let Some(node) = self.symbols.stack(next) else {
                return path;
            };
            path.push(PathStep {
                place: CodePlace::new(self.symbols, node.frame),
                total_us: weight,
                own_us: total_of(&self.own, next).unwrap_or(0),
            });
            at = next;
        }
    }
}
