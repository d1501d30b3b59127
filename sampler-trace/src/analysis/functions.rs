// SPDX-License-Identifier: MIT OR Apache-2.0

//! Adds up the time of each function: its own, and its total with all that it called. A
//! stack that contains a function several times counts once.

use std::cmp::Reverse;

use crate::analysis::place::CodePlace;
use crate::model::identifiers::{FrameId, StackId};
use crate::model::row::State;
use crate::model::symbols::Symbols;
use crate::query::aggregate::{StackTime, StackTotals};
use crate::query::functions::Functions;

/// The times of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTimes {
    /// The function, at the line with the most time of its own.
    pub place: CodePlace,
    /// Microseconds in which it was innermost.
    pub own_us: u64,
    /// Of these, microseconds on a CPU.
    pub own_running_us: u64,
    /// Of the time on a CPU, microseconds in the kernel: in system calls and page faults.
    pub own_system_us: u64,
    /// Microseconds in which it was in the stack, outside the base of its thread.
    pub total_us: u64,
    /// Microseconds in which it was in the stack at all.
    pub with_base_us: u64,
}

/// The sums for a function.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    own: u64,
    own_running: u64,
    own_system: u64,
    total: u64,
    with_base: u64,
    /// The frame with the most own time; any frame if none has own time.
    frame: Option<FrameId>,
}

pub(super) struct FunctionSums<'a> {
    symbols: &'a Symbols,
    functions: Functions,
    sums: Vec<Sums>,
    /// Own time by frame, to find the line that a function is shown at.
    own_of_frames: Vec<u64>,
}

impl<'a> FunctionSums<'a> {
    pub(super) fn new(symbols: &'a Symbols) -> Self {
        let functions = Functions::new(symbols);
        Self {
            symbols,
            sums: vec![Sums::default(); functions.count() as usize],
            functions,
            own_of_frames: vec![0; symbols.frame_count() as usize],
        }
    }

    /// Adds the stacks of a thread whose base is `base`.
    pub(super) fn add(&mut self, times: &[StackTime], totals: &StackTotals<'_>, base: StackId) {
        for time in times {
            let Some(node) = self.symbols.stack(time.stack) else {
                continue;
            };
            if let Some(own) = self.own_of_frames.get_mut(node.frame.index()) {
                *own += time.microseconds;
            }
            if let Some(sums) = self.sums_of(node.frame) {
                sums.own += time.microseconds;
                if time.state == State::Running {
                    sums.own_running += time.microseconds;
                    sums.own_system += time.system;
                }
            }
        }
        let base = self.path(base);
        for &stack in totals.stacks() {
            let Some(node) = self.symbols.stack(stack) else {
                continue;
            };
            let function = self.functions.of_frame(node.frame);
            let caller = self.caller_with(function, node.parent);
            let is_base = |stack: &StackId| base.binary_search(stack).is_ok();
            let time = totals.of(stack);
            if let Some(sums) = self.sums_of(node.frame) {
                sums.frame.get_or_insert(node.frame);
                if !is_base(&stack) && caller.as_ref().is_none_or(is_base) {
                    sums.total += time;
                }
                if caller.is_none() {
                    sums.with_base += time;
                }
            }
        }
    }

    /// Returns the innermost caller, from `at` outwards, that is in this function.
    fn caller_with(&self, function: u32, mut at: StackId) -> Option<StackId> {
        while let Some(node) = self.symbols.stack(at) {
            if self.functions.of_frame(node.frame) == function {
                return Some(at);
            }
            at = node.parent;
        }
        None
    }

    /// Returns a stack and its callers, outermost first. The numbers ascend, since a
    /// caller has a smaller number.
    fn path(&self, mut at: StackId) -> Vec<StackId> {
        let mut path = Vec::new();
        while let Some(node) = self.symbols.stack(at) {
            path.push(at);
            at = node.parent;
        }
        path.reverse();
        path
    }

    fn sums_of(&mut self, frame: FrameId) -> Option<&mut Sums> {
        self.sums.get_mut(self.functions.of_frame(frame) as usize)
    }

    pub(super) fn finish(mut self) -> Vec<FunctionTimes> {
        let mut most = vec![0; self.sums.len()];
        for (number, &own) in (0..).zip(&self.own_of_frames) {
            let frame = FrameId(number);
            let function = self.functions.of_frame(frame) as usize;
            if let (Some(most), Some(sums)) = (most.get_mut(function), self.sums.get_mut(function))
                && own > *most
            {
                *most = own;
                sums.frame = Some(frame);
            }
        }
        let seen = self.sums.iter().filter(|sums| sums.with_base > 0);
        let mut functions: Vec<_> = seen
            .map(|sums| FunctionTimes {
                place: sums
                    .frame
                    .map(|frame| CodePlace::new(self.symbols, frame))
                    .unwrap_or_default(),
                own_us: sums.own,
                own_running_us: sums.own_running,
                own_system_us: sums.own_system,
                total_us: sums.total,
                with_base_us: sums.with_base,
            })
            .collect();
        functions.sort_by(|a, b| {
            let key = |of: &FunctionTimes| Reverse((of.own_us, of.total_us));
            key(a)
                .cmp(&key(b))
                .then_with(|| a.place.file.cmp(&b.place.file))
                .then_with(|| a.place.function.cmp(&b.place.function))
        });
        functions
    }
}
