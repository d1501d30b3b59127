// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gives the symbols of one trace new numbers in another: those that are used, in the order
//! of their first use.

use crate::model::identifiers::{FrameId, StackId, StringId};
use crate::model::intern::SymbolInterner;
use crate::model::symbols::{Frame, Symbols};

/// Marks an entry that has no new number yet. No table has so many entries.
const NONE: u32 = u32::MAX;

/// The new numbers of the symbols of one trace.
#[derive(Debug, Default)]
pub struct SymbolMap {
    strings: Vec<u32>,
    frames: Vec<u32>,
    stacks: Vec<u32>,
    without_sources: bool,
    path: Vec<StackId>,
}

impl SymbolMap {
    /// Leaves out the text of the line of every frame.
    #[must_use]
    pub fn without_sources() -> Self {
        Self {
            without_sources: true,
            ..Self::default()
        }
    }

    /// Returns the new number of a stack of `old`; adds it to `new` if it has none. `old`
    /// may have grown since the last call, and must otherwise be the same.
    pub fn stack(&mut self, id: StackId, old: &Symbols, new: &mut SymbolInterner) -> StackId {
        let mut at = id;
        let mut parent = loop {
            // The empty stack has the same number in every trace.
            if at == StackId::EMPTY {
                break StackId::EMPTY;
            }
            if let Some(known) = known(&self.stacks, at.0) {
                break StackId(known);
            }
            self.path.push(at);
            at = old.stack(at).map_or(StackId::EMPTY, |node| node.parent);
        };
        while let Some(stack) = self.path.pop() {
            let frame = old.stack(stack).map_or(FrameId(0), |node| node.frame);
            let frame = self.frame(frame, old, new);
            parent = new.stack(parent, frame);
            learn(&mut self.stacks, stack.0, parent.0);
        }
        parent
    }

    fn frame(&mut self, id: FrameId, old: &Symbols, new: &mut SymbolInterner) -> FrameId {
        if let Some(known) = known(&self.frames, id.0) {
            return FrameId(known);
        }
        let Frame {
            file,
            function,
            line,
            source,
        } = old.frame(id).unwrap_or_default();
        let frame = Frame {
            file: self.string(file, old, new),
            function: self.string(function, old, new),
            line,
            source: match self.without_sources {
                true => StringId::EMPTY,
                false => self.string(source, old, new),
            },
        };
        let frame = new.frame(frame);
        learn(&mut self.frames, id.0, frame.0);
        frame
    }

    fn string(&mut self, id: StringId, old: &Symbols, new: &mut SymbolInterner) -> StringId {
        if id == StringId::EMPTY {
            return id;
        }
        if let Some(known) = known(&self.strings, id.0) {
            return StringId(known);
        }
        let string = new.string(old.string(id));
        learn(&mut self.strings, id.0, string.0);
        string
    }
}

fn known(numbers: &[u32], old: u32) -> Option<u32> {
    let new = numbers.get(old as usize).copied();
    new.filter(|&number| number != NONE)
}

fn learn(numbers: &mut Vec<u32>, old: u32, new: u32) {
    let at = old as usize;
    if numbers.len() <= at {
        numbers.resize(at + 1, NONE);
    }
    if let Some(slot) = numbers.get_mut(at) {
        *slot = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(symbols: &mut SymbolInterner, name: &str) -> FrameId {
        let frame = Frame {
            file: symbols.string("a.py"),
            function: symbols.string(name),
            line: 7,
            source: symbols.string("call()"),
        };
        symbols.frame(frame)
    }

    #[test]
    fn only_what_is_used_gets_a_number_and_keeps_it() {
        let mut old = SymbolInterner::default();
        let [f, g, h] = ["f", "g", "h"].map(|name| frame(&mut old, name));
        old.stack_of([g, h]);
        let stack = old.stack_of([f, h]);
        let deeper = old.stack(stack, f);
        for mut map in [SymbolMap::default(), SymbolMap::without_sources()] {
            let mut new = SymbolInterner::default();
            assert_eq!(map.stack(StackId::EMPTY, old.symbols(), &mut new).0, 0);
            let first = map.stack(stack, old.symbols(), &mut new);
            let second = map.stack(deeper, old.symbols(), &mut new);
            assert_eq!(map.stack(stack, old.symbols(), &mut new), first);
            assert_eq!((first.0, second.0), (2, 3));
            let symbols = new.symbols();
            assert_eq!((symbols.frame_count(), symbols.stack_count()), (2, 4));
            let mut frames = Vec::new();
            symbols.frames_of(second, &mut frames);
            let names: Vec<_> = frames
                .iter()
                .map(|frame| symbols.string(symbols.frame(*frame).unwrap().function))
                .collect();
            assert_eq!(names, ["f", "h", "f"]);
            let source = symbols.frame(frames[0]).unwrap().source;
            let expected = if map.without_sources { "" } else { "call()" };
            assert_eq!(symbols.string(source), expected);
        }
    }
}
