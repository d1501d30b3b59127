//! What symbolization remembers of one process: its code objects, and the last
//! stack of each of its threads. It refuses to read anything.

use rustc_hash::FxHashMap;
use sampler_common::sample::{CodeKey, RawFrame};

use crate::timeline::{FrameId, StackId, StringId};

/// A code object whose names are known, and the frames seen in it.
pub(super) struct SeenCode {
    pub(super) file: StringId,
    pub(super) function: StringId,
    pub(super) first_line: i32,
    pub(super) unit_count: u32,
    /// `None` when no line is known.
    pub(super) line_table: Option<Box<[u8]>>,
    /// By code unit: few in most code objects, so a list is searched.
    frames: Vec<(i32, FrameId)>,
}

impl SeenCode {
    pub(super) fn new(
        (file, function): (StringId, StringId),
        first_line: i32,
        unit_count: u32,
        line_table: Option<Box<[u8]>>,
    ) -> Self {
        Self {
            file,
            function,
            first_line,
            unit_count,
            line_table,
            frames: Vec::new(),
        }
    }

    pub(super) fn frame(&self, instruction: i32) -> Option<FrameId> {
        let place = self
            .frames
            .binary_search_by_key(&instruction, |(unit, _)| *unit)
            .ok()?;
        self.frames.get(place).map(|(_, frame)| *frame)
    }

    pub(super) fn remember(&mut self, instruction: i32, frame: FrameId) {
        if let Err(place) = self
            .frames
            .binary_search_by_key(&instruction, |(unit, _)| *unit)
        {
            self.frames.insert(place, (instruction, frame));
        }
    }
}

/// The previous stack of a thread, outermost frame first, each with the stack
/// that ends there. Successive samples of a thread share most of it.
#[derive(Default)]
pub(super) struct LastStack {
    frames: Vec<RawFrame>,
    stacks: Vec<StackId>,
}

impl LastStack {
    /// Keeps what a stack, given innermost first, shares with this one; the
    /// number of frames that is, and the stack they make, above `bottom`.
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

/// One life of one process.
#[derive(Default)]
pub(super) struct ProcessSymbols {
    pub(super) codes: FxHashMap<CodeKey, SeenCode>,
    pub(super) threads: FxHashMap<u32, LastStack>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: u64) -> RawFrame {
        RawFrame {
            key: CodeKey(code),
            code,
            instruction: 0,
            reserved: 0,
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
