// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tables of a trace: strings, frames and stacks, each by its number. An entry may be
//! there twice; [`crate::model::intern::SymbolInterner`] avoids that.

use std::borrow::Cow;

use crate::model::identifiers::{FrameId, StackId, StringId};

/// The longest string that is kept, in bytes; a longer one is cut.
pub const MAXIMUM_STRING: usize = 8192;
/// The deepest stack that is kept, in frames. CPython's own limit is 1000
/// unless a program raises it.
pub const MAXIMUM_DEPTH: u16 = 8192;

/// How many entries the tables hold: far more than a real program has, and few enough
/// that a hostile one cannot fill the memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct SymbolLimits {
    pub(super) strings: usize,
    pub(super) string_bytes: usize,
    pub(super) frames: usize,
    pub(super) stacks: usize,
}

const LIMITS: SymbolLimits = SymbolLimits {
    strings: 1 << 23,
    string_bytes: 1 << 28,
    frames: 1 << 23,
    stacks: 1 << 24,
};
/// Ends a string that was cut.
const CUT_MARK: char = '…';

/// Why an entry cannot be added to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolsError {
    /// A table is full.
    #[error("too many {what}: a trace holds at most {limit}; record for a shorter time")]
    Full {
        /// What the table holds.
        what: &'static str,
        /// How many of them fit.
        limit: usize,
    },
    /// An entry refers to one that does not exist.
    #[error("{what} number {number} is used but not defined; the trace is damaged")]
    Undefined {
        /// What kind of entry does not exist.
        what: &'static str,
        /// Its number.
        number: u32,
    },
    /// A stack is deeper than a trace can hold.
    #[error("a stack has more than {MAXIMUM_DEPTH} frames")]
    TooDeep,
}

/// A frame: a function at a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The file name, as in the code object.
    pub file: StringId,
    /// The function's name.
    pub function: StringId,
    /// The current line, counted from 1; 0 when it is not known.
    pub line: u32,
    /// The text of that line, stripped; empty when it cannot be read.
    pub source: StringId,
}

/// A stack: its innermost frame, and the stack of the callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StackNode {
    /// The callers; [`StackId::EMPTY`] for an outermost frame.
    pub parent: StackId,
    /// The innermost frame.
    pub frame: FrameId,
}

/// The tables. Entries are never removed, and an entry only refers to entries added
/// before it, so that following parents always ends.
#[derive(Debug)]
pub struct Symbols {
    text: String,
    /// Where string `n` ends in `text`; it starts where `n - 1` ends.
    string_ends: Vec<u32>,
    frames: Vec<Frame>,
    stacks: Vec<StackNode>,
    depths: Vec<u16>,
    limits: SymbolLimits,
}

impl Default for Symbols {
    fn default() -> Self {
        Self::with_limits(LIMITS)
    }
}

impl Symbols {
    pub(super) fn with_limits(limits: SymbolLimits) -> Self {
        let root = StackNode {
            parent: StackId::EMPTY,
            frame: FrameId(0),
        };
        Self {
            text: String::new(),
            string_ends: vec![0],
            frames: Vec::new(),
            stacks: vec![root],
            depths: vec![0],
            limits,
        }
    }

    /// Whether one of the tables has room for at most one more entry.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.string_ends.len() + 1 >= self.limits.strings
            || self.text.len() + 2 * MAXIMUM_STRING >= self.limits.string_bytes
            || self.frames.len() + 1 >= self.limits.frames
            || self.stacks.len() + 1 >= self.limits.stacks
    }

    /// Adds a string, cut to [`MAXIMUM_STRING`] bytes.
    ///
    /// # Errors
    /// [`SymbolsError::Full`].
    pub fn push_string(&mut self, string: &str) -> Result<StringId, SymbolsError> {
        let number = next(self.string_ends.len(), self.limits.strings, "strings")?;
        let string = cut(string);
        if self.text.len() + string.len() > self.limits.string_bytes {
            let limit = self.limits.string_bytes;
            return Err(SymbolsError::Full {
                what: "bytes of strings",
                limit,
            });
        }
        self.text.push_str(&string);
        self.string_ends.push(count(self.text.len()));
        Ok(StringId(number))
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// [`SymbolsError::Full`]; [`SymbolsError::Undefined`] for a string that does not
    /// exist.
    pub fn push_frame(&mut self, frame: Frame) -> Result<FrameId, SymbolsError> {
        let number = next(self.frames.len(), self.limits.frames, "frames")?;
        for string in [frame.file, frame.function, frame.source] {
            if string.index() >= self.string_ends.len() {
                return Err(SymbolsError::Undefined {
                    what: "string",
                    number: string.0,
                });
            }
        }
        self.frames.push(frame);
        Ok(FrameId(number))
    }

    /// Adds a stack.
    ///
    /// # Errors
    /// [`SymbolsError::Full`]; [`SymbolsError::Undefined`] for a parent or a frame that
    /// does not exist; [`SymbolsError::TooDeep`].
    pub fn push_stack(&mut self, node: StackNode) -> Result<StackId, SymbolsError> {
        let number = next(self.stacks.len(), self.limits.stacks, "stacks")?;
        if node.frame.index() >= self.frames.len() {
            return Err(SymbolsError::Undefined {
                what: "frame",
                number: node.frame.0,
            });
        }
        let parent_depth = self
            .depths
            .get(node.parent.index())
            .ok_or(SymbolsError::Undefined {
                what: "stack",
                number: node.parent.0,
            })?;
        if *parent_depth >= MAXIMUM_DEPTH {
            return Err(SymbolsError::TooDeep);
        }
        self.depths.push(parent_depth + 1);
        self.stacks.push(node);
        Ok(StackId(number))
    }

    /// Removes the text of the line from every frame.
    pub fn forget_sources(&mut self) {
        for frame in &mut self.frames {
            frame.source = StringId::EMPTY;
        }
    }

    /// Returns the string with this number; empty when there is none.
    #[must_use]
    pub fn string(&self, id: StringId) -> &str {
        let end = |number: usize| self.string_ends.get(number).map(|&end| end as usize);
        let start = id.index().checked_sub(1).and_then(end);
        match (start, end(id.index())) {
            (Some(start), Some(end)) => self.text.get(start..end).unwrap_or_default(),
            _ => "",
        }
    }

    /// Returns the frame with this number, if there is one.
    #[must_use]
    pub fn frame(&self, id: FrameId) -> Option<Frame> {
        self.frames.get(id.index()).copied()
    }

    /// Returns the stack with this number; `None` for the empty one as well.
    #[must_use]
    pub fn stack(&self, id: StackId) -> Option<StackNode> {
        if id == StackId::EMPTY {
            None
        } else {
            self.stacks.get(id.index()).copied()
        }
    }

    /// Returns how many frames the stack has; 0 when it does not exist.
    #[must_use]
    pub fn depth(&self, id: StackId) -> u16 {
        self.depths.get(id.index()).copied().unwrap_or(0)
    }

    /// Replaces the content of `frames` by the frames of a stack, outermost first.
    pub fn frames_of(&self, id: StackId, frames: &mut Vec<FrameId>) {
        frames.clear();
        let mut at = id;
        while let Some(node) = self.stack(at) {
            frames.push(node.frame);
            at = node.parent;
        }
        frames.reverse();
    }

    /// Returns how many bytes of memory the tables use, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
            + size_of_val(self.string_ends.as_slice())
            + size_of_val(self.frames.as_slice())
            + size_of_val(self.stacks.as_slice())
            + size_of_val(self.depths.as_slice())
    }

    /// Returns the number of strings, including the empty one.
    #[must_use]
    pub fn string_count(&self) -> u32 {
        count(self.string_ends.len())
    }

    /// Returns the number of frames.
    #[must_use]
    pub fn frame_count(&self) -> u32 {
        count(self.frames.len())
    }

    /// Returns the number of stacks, including the empty one.
    #[must_use]
    pub fn stack_count(&self) -> u32 {
        count(self.stacks.len())
    }
}

/// Returns the string as it is kept. Shared with the interner, which must look for what
/// it would find.
pub(crate) fn cut(string: &str) -> Cow<'_, str> {
    if string.len() <= MAXIMUM_STRING {
        return Cow::Borrowed(string);
    }
    let end = string.floor_char_boundary(MAXIMUM_STRING - CUT_MARK.len_utf8());
    let mut kept = string.get(..end).unwrap_or_default().to_owned();
    kept.push(CUT_MARK);
    Cow::Owned(kept)
}

fn next(length: usize, limit: usize, what: &'static str) -> Result<u32, SymbolsError> {
    if length >= limit {
        return Err(SymbolsError::Full { what, limit });
    }
    Ok(count(length))
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("the limits of the tables are below 2^32")
}
