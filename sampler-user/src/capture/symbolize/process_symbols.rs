// SPDX-License-Identifier: MIT OR Apache-2.0

//! What symbolization remembers of one process: its code objects, and the last stack of
//! each of its threads.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sampler_common::sample::{CodeKey, RawFrame};
use sampler_trace::model::identifiers::{FrameId, StackId, StringId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::symbols::Symbols;

use crate::capture::symbolize::source::place::CodeLine;

/// The names of a code object.
#[derive(Clone)]
enum Names {
    /// In the tables of the current trace.
    Interned { file: StringId, function: StringId },
    /// Not in them yet: they were in those of an earlier trace.
    Kept { file: Arc<str>, function: Arc<str> },
}

/// A code object whose names are known, and the frames seen in it.
pub(super) struct SeenCode {
    names: Names,
    pub(super) first_line: i32,
    pub(super) unit_count: u32,
    /// `None` when no line is known.
    pub(super) line_table: Option<Box<[u8]>>,
    /// Sorted by position. Most code objects have few, so a list is enough.
    frames: Vec<(Position, FrameId)>,
}

/// Where a frame is in its code object: the line that the frame itself states, or 0, and
/// the code unit.
type Position = (u32, i32);

/// Returns where `frame` is.
fn position_of(frame: &RawFrame) -> Position {
    (frame.line, frame.instruction)
}

impl SeenCode {
    pub(super) fn new(
        (file, function): (StringId, StringId),
        first_line: i32,
        unit_count: u32,
        line_table: Option<Box<[u8]>>,
    ) -> Self {
        Self {
            names: Names::Interned { file, function },
            first_line,
            unit_count,
            line_table,
            frames: Vec::new(),
        }
    }

    /// Returns the names of its file and function in the tables of the current trace,
    /// which get them if need be.
    pub(super) fn intern(&mut self, interner: &mut SymbolInterner) -> (StringId, StringId) {
        let (file, function) = match &self.names {
            Names::Interned { file, function } => return (*file, *function),
            Names::Kept { file, function } => (interner.string(file), interner.string(function)),
        };
        self.names = Names::Interned { file, function };
        (file, function)
    }

    /// Keeps the names, and forgets their numbers and the frames, before another trace
    /// begins. `strings` are the strings of `symbols` that are kept already.
    fn keep_names(&mut self, symbols: &Symbols, strings: &mut FxHashMap<StringId, Arc<str>>) {
        let mut keep = |id| {
            let text = strings.entry(id);
            Arc::clone(text.or_insert_with(|| symbols.string(id).into()))
        };
        if let Names::Interned { file, function } = self.names {
            self.names = Names::Kept {
                file: keep(file),
                function: keep(function),
            };
        }
        self.frames = Vec::new();
    }

    /// Describes one of its lines.
    pub(super) fn place<'a>(&'a self, symbols: &'a Symbols, line: u32) -> CodeLine<'a> {
        let (file, function) = match &self.names {
            Names::Interned { file, function } => {
                (symbols.string(*file), symbols.string(*function))
            }
            Names::Kept { file, function } => (&**file, &**function),
        };
        CodeLine {
            file,
            function,
            first_line: u32::try_from(self.first_line).unwrap_or(0),
            line,
            line_table: self.line_table.as_deref().unwrap_or_default(),
        }
    }

    pub(super) fn frame(&self, raw: &RawFrame) -> Option<FrameId> {
        let index = self
            .frames
            .binary_search_by_key(&position_of(raw), |(position, _)| *position)
            .ok()?;
        self.frames.get(index).map(|(_, frame)| *frame)
    }

    pub(super) fn remember(&mut self, raw: &RawFrame, frame: FrameId) {
        let position = position_of(raw);
        if let Err(index) = self.frames.binary_search_by_key(&position, |(at, _)| *at) {
            self.frames.insert(index, (position, frame));
        }
    }
}

/// The previous stack of a thread, outermost frame first, each with the stack that ends
/// with it. Successive samples of a thread share most of it.
#[derive(Default)]
pub(super) struct LastStack {
    frames: Vec<RawFrame>,
    stacks: Vec<StackId>,
}

impl LastStack {
    /// Keeps what this stack shares with `frames`, which are given innermost first.
    /// Returns the number of shared frames, and the stack that they make on top of
    /// `bottom`.
    pub(super) fn keep_common(&mut self, frames: &[RawFrame], bottom: StackId) -> (usize, StackId) {
        let pairs = self.frames.iter().zip(frames.iter().rev());
        let common = pairs.take_while(|(before, now)| before == now).count();
        self.frames.truncate(common);
        self.stacks.truncate(common);
        (common, self.stacks.last().copied().unwrap_or(bottom))
    }

    pub(super) fn push(&mut self, frame: RawFrame, stack: StackId) {
        self.frames.push(frame);
        self.stacks.push(stack);
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.stacks.clear();
    }
}

/// What is remembered of one life of one process.
#[derive(Default)]
pub(super) struct ProcessSymbols {
    pub(super) codes: FxHashMap<CodeKey, SeenCode>,
    pub(super) threads: FxHashMap<u32, LastStack>,
}

impl ProcessSymbols {
    /// Prepares for another trace: keeps the names of code objects, which the eBPF program
    /// will not describe again, and forgets all numbers of `symbols`.
    pub(super) fn keep_names(
        &mut self,
        symbols: &Symbols,
        strings: &mut FxHashMap<StringId, Arc<str>>,
    ) {
        self.threads.clear();
        for code in self.codes.values_mut() {
            code.keep_names(symbols, strings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: u64) -> RawFrame {
        RawFrame {
            key: CodeKey(code),
            code,
            instruction: 0,
            line: 0,
        }
    }

    #[test]
    fn shares_the_outer_frames() {
        let mut last = LastStack::default();
        for (index, code) in [1, 2, 3].into_iter().enumerate() {
            last.push(frame(code), StackId(index as u32 + 10));
        }
        let inner_changed = [frame(4), frame(2), frame(1)];
        assert_eq!(
            last.keep_common(&inner_changed, StackId::EMPTY),
            (2, StackId(11))
        );
        assert_eq!(
            last.keep_common(&[frame(9)], StackId::EMPTY),
            (0, StackId::EMPTY)
        );
    }
}
