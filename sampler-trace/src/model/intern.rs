// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gives equal strings, frames and stacks the same number.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::model::identifiers::{FrameId, StackId, StringId};
use crate::model::symbols::{Frame, StackNode, Symbols, SymbolsError, cut};

/// The function name that replaces what a full table could not hold. It looks like no
/// Python name.
const OMITTED: &str = "<not recorded: the trace holds no more names>";

/// Builds [`Symbols`] without duplicates.
///
/// It never fails: when a table is full, a marker with a name that says so replaces the
/// entry, and [`SymbolInterner::omitted`] counts it. The hashes have random keys, so that
/// the names in a hostile process cannot be chosen to collide.
#[derive(Debug, Default)]
pub struct SymbolInterner {
    symbols: Symbols,
    keys: RandomState,
    strings: HashTable<StringId>,
    frames: HashTable<FrameId>,
    stacks: HashTable<StackId>,
    marker: Option<(FrameId, StackId)>,
    omitted: u64,
}

impl SymbolInterner {
    /// Returns the tables as built so far.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Returns the tables, when nothing more is added.
    #[must_use]
    pub fn into_symbols(self) -> Symbols {
        self.symbols
    }

    /// Returns how many bytes of memory the tables use, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let entries = self.strings.capacity() + self.frames.capacity() + self.stacks.capacity();
        // A slot is a number and a byte of its hash, and an eighth of the slots is free.
        self.symbols.bytes() + 6 * entries
    }

    /// Returns how many entries the tables had no room for.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Returns the number of a string, cut to [`crate::model::symbols::MAXIMUM_STRING`] bytes; that of
    /// the empty string when the tables are full.
    pub fn string(&mut self, string: &str) -> StringId {
        if string.is_empty() {
            return StringId::EMPTY;
        }
        let string = cut(string);
        let hash = self.keys.hash_one(&*string);
        let symbols = &self.symbols;
        let equal = |id: &StringId| symbols.string(*id) == string;
        if let Some(id) = self.strings.find(hash, equal) {
            return *id;
        }
        if symbols.is_nearly_full() {
            self.omitted += 1;
            return StringId::EMPTY;
        }
        let Ok(id) = self.symbols.push_string(&string) else {
            self.omitted += 1;
            return StringId::EMPTY;
        };
        let (keys, symbols) = (&self.keys, &self.symbols);
        self.strings
            .insert_unique(hash, id, |id| keys.hash_one(symbols.string(*id)));
        id
    }

    /// Returns the number of a frame; that of the marker when the tables are full.
    pub fn frame(&mut self, frame: Frame) -> FrameId {
        let hash = self.keys.hash_one(frame);
        let symbols = &self.symbols;
        let equal = |id: &FrameId| symbols.frame(*id) == Some(frame);
        if let Some(id) = self.frames.find(hash, equal) {
            return *id;
        }
        if symbols.is_nearly_full() {
            return self.marker().0;
        }
        let Ok(id) = self.symbols.push_frame(frame) else {
            return self.marker().0;
        };
        let (keys, symbols) = (&self.keys, &self.symbols);
        self.frames.insert_unique(hash, id, |id| {
            keys.hash_one(symbols.frame(*id).unwrap_or_default())
        });
        id
    }

    /// Returns the number of the stack in which `parent` calls `frame`. When the tables
    /// are full, that of a stack with the marker alone; when `parent` is
    /// [`crate::model::symbols::MAXIMUM_DEPTH`] deep, `parent` itself.
    pub fn stack(&mut self, parent: StackId, frame: FrameId) -> StackId {
        let node = StackNode { parent, frame };
        let hash = self.keys.hash_one(node);
        let symbols = &self.symbols;
        let equal = |id: &StackId| symbols.stack(*id) == Some(node);
        if let Some(id) = self.stacks.find(hash, equal) {
            return *id;
        }
        if symbols.is_nearly_full() {
            return self.marker().1;
        }
        let id = match self.symbols.push_stack(node) {
            Ok(id) => id,
            Err(SymbolsError::TooDeep) => {
                self.omitted += 1;
                return parent;
            }
            Err(_) => return self.marker().1,
        };
        let (keys, symbols) = (&self.keys, &self.symbols);
        self.stacks.insert_unique(hash, id, |id| {
            symbols.stack(*id).map_or(0, |node| keys.hash_one(node))
        });
        id
    }

    /// Returns the number of the stack with these frames, outermost first.
    pub fn stack_of(&mut self, frames: impl IntoIterator<Item = FrameId>) -> StackId {
        frames
            .into_iter()
            .fold(StackId::EMPTY, |parent, frame| self.stack(parent, frame))
    }

    /// Returns the number of a stack of other tables, which is added if need be.
    pub fn import(&mut self, from: &Symbols, stack: StackId) -> StackId {
        let mut frames = Vec::new();
        from.frames_of(stack, &mut frames);
        frames.into_iter().fold(StackId::EMPTY, |parent, frame| {
            let frame = from.frame(frame).unwrap_or_default();
            let frame = Frame {
                file: self.string(from.string(frame.file)),
                function: self.string(from.string(frame.function)),
                line: frame.line,
                source: self.string(from.string(frame.source)),
            };
            let frame = self.frame(frame);
            self.stack(parent, frame)
        })
    }

    /// Returns the frame and the stack that replace what could not be added. The last
    /// entry of each table is kept free for them.
    fn marker(&mut self) -> (FrameId, StackId) {
        self.omitted += 1;
        if let Some(marker) = self.marker {
            return marker;
        }
        let symbols = &mut self.symbols;
        let text = symbols.push_string(OMITTED).unwrap_or_default();
        let frame = Frame {
            function: text,
            ..Frame::default()
        };
        let frame = symbols.push_frame(frame).unwrap_or_default();
        let node = StackNode {
            parent: StackId::EMPTY,
            frame,
        };
        let marker = (frame, symbols.push_stack(node).unwrap_or_default());
        self.marker = Some(marker);
        marker
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, OMITTED, StackId, StringId, SymbolInterner, Symbols};
    use crate::model::symbols::{MAXIMUM_DEPTH, MAXIMUM_STRING, SymbolLimits};

    #[test]
    fn equal_entries_have_one_number() {
        let mut interner = SymbolInterner::default();
        let strings: Vec<_> = (0..5000)
            .map(|n| interner.string(&format!("s{n}")))
            .collect();
        let frames: Vec<_> = strings
            .iter()
            .map(|&file| {
                interner.frame(Frame {
                    file,
                    line: 3,
                    ..Frame::default()
                })
            })
            .collect();
        let stack = interner.stack_of(frames.iter().copied());
        assert_eq!(interner.stack_of(frames.iter().copied()), stack);
        for (number, &id) in strings.iter().enumerate() {
            assert_eq!(interner.string(&format!("s{number}")), id);
            assert_eq!(interner.symbols().string(id), format!("s{number}"));
        }
        assert_eq!(interner.symbols().string_count(), 5001);
        assert_eq!(interner.symbols().frame_count(), 5000);
        assert_eq!(interner.symbols().stack_count(), 5001);
        let mut read = Vec::new();
        interner.symbols().frames_of(stack, &mut read);
        assert_eq!(read, frames);
        assert_eq!(interner.omitted(), 0);
    }

    #[test]
    fn a_long_string_is_cut_at_a_character_and_marked() {
        let mut interner = SymbolInterner::default();
        let long = "ä".repeat(MAXIMUM_STRING);
        let id = interner.string(&long);
        assert_eq!(interner.string(&long), id);
        let kept = interner.symbols().string(id);
        assert!(kept.len() <= MAXIMUM_STRING && kept.ends_with("ä…"));
    }

    #[test]
    fn a_stack_of_other_tables_keeps_its_names() {
        let mut from = SymbolInterner::default();
        let mut to = SymbolInterner::default();
        to.string("something else");
        let stack = ["main", "work"]
            .into_iter()
            .fold(StackId::EMPTY, |parent, name| {
                let frame = Frame {
                    file: from.string("app.py"),
                    function: from.string(name),
                    line: 7,
                    source: from.string("work()"),
                };
                let frame = from.frame(frame);
                from.stack(parent, frame)
            });
        let imported = to.import(from.symbols(), stack);
        assert_eq!(to.import(from.symbols(), stack), imported);
        assert_eq!(to.import(from.symbols(), StackId::EMPTY), StackId::EMPTY);
        let names = |tables: &Symbols, stack| {
            let mut frames = Vec::new();
            tables.frames_of(stack, &mut frames);
            let frames = frames.into_iter().map(|id| tables.frame(id).unwrap());
            let texts = |it: Frame| {
                [it.file, it.function, it.source].map(|id| tables.string(id).to_owned())
            };
            frames.map(texts).collect::<Vec<_>>()
        };
        assert_eq!(names(to.symbols(), imported), names(from.symbols(), stack));
    }

    #[test]
    fn a_stack_is_never_deeper_than_the_limit() {
        let mut interner = SymbolInterner::default();
        let frame = interner.frame(Frame::default());
        let deep = interner.stack_of((0..=MAXIMUM_DEPTH).map(|_| frame));
        assert_eq!(interner.symbols().depth(deep), MAXIMUM_DEPTH);
        assert_eq!(interner.omitted(), 1);
    }

    #[test]
    fn full_tables_say_so_and_never_give_a_wrong_name() {
        let limits = SymbolLimits {
            strings: 6,
            string_bytes: 1 << 20,
            frames: 6,
            stacks: 6,
        };
        let mut interner = SymbolInterner {
            symbols: Symbols::with_limits(limits),
            ..SymbolInterner::default()
        };
        let mut last = StackId::EMPTY;
        for number in 0..20 {
            let function = interner.string(&format!("f{number}"));
            let frame = interner.frame(Frame {
                function,
                line: number,
                ..Frame::default()
            });
            last = interner.stack(StackId::EMPTY, frame);
        }
        assert!(interner.omitted() > 0);
        let symbols = interner.symbols();
        let frame = symbols
            .stack(last)
            .and_then(|node| symbols.frame(node.frame));
        assert_eq!(symbols.string(frame.unwrap().function), OMITTED);
        assert_eq!(symbols.string(StringId(1)), "f0");
    }
}
