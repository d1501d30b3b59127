// SPDX-License-Identifier: MIT OR Apache-2.0

//! Renders frames as JSON, each one once.

use std::io;

use crate::formats::json_text;
use crate::model::identifiers::{FrameId, StackId};
use crate::model::symbols::Symbols;

/// Rendered frames are kept up to this many bytes; others are rendered again.
const KEPT: usize = 64 << 20;

/// The text of each frame.
pub(super) struct FrameTexts<'a> {
    symbols: &'a Symbols,
    kept: Vec<u8>,
    /// Start and length in `kept`; a length of 0 means that it is not rendered yet.
    ranges: Vec<(u32, u32)>,
}

impl<'a> FrameTexts<'a> {
    pub(super) fn new(symbols: &'a Symbols) -> Self {
        let ranges = vec![(0, 0); symbols.frame_count() as usize];
        Self {
            symbols,
            kept: Vec::new(),
            ranges,
        }
    }

    /// Appends `["file", line, "function", "source"]`.
    pub(super) fn put(&mut self, id: FrameId, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(range) = self.ranges.get_mut(id.index()) else {
            return Ok(());
        };
        if range.1 > 0 {
            let (start, length) = (range.0 as usize, range.1 as usize);
            out.extend(self.kept.get(start..start + length).unwrap_or_default());
            return Ok(());
        }
        let start = self.kept.len();
        if start >= KEPT {
            return render(self.symbols, id, out);
        }
        render(self.symbols, id, &mut self.kept)?;
        let text = self.kept.get(start..).unwrap_or_default();
        out.extend(text);
        if let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(text.len())) {
            *range = (start, length);
        }
        Ok(())
    }
}

fn render(symbols: &Symbols, id: FrameId, out: &mut Vec<u8>) -> io::Result<()> {
    let frame = symbols.frame(id).unwrap_or_default();
    out.push(b'[');
    json_text::put(out, symbols.string(frame.file))?;
    out.extend(format!(", {}, ", frame.line).as_bytes());
    json_text::put(out, symbols.string(frame.function))?;
    out.extend(b", ");
    json_text::put(out, symbols.string(frame.source))?;
    out.push(b']');
    Ok(())
}

/// The length of each stack's JSON, by its number.
pub(super) fn stack_lengths(symbols: &Symbols) -> Vec<u64> {
    let mut text = Vec::new();
    let mut frames = Vec::with_capacity(symbols.frame_count() as usize);
    for number in 0..symbols.frame_count() {
        text.clear();
        // Rendering into memory does not fail.
        let length = render(symbols, FrameId(number), &mut text).map_or(0, |()| text.len());
        frames.push(u32::try_from(length).unwrap_or(u32::MAX));
    }
    let mut lengths: Vec<u64> = Vec::with_capacity(symbols.stack_count() as usize);
    lengths.push(0);
    for number in 1..symbols.stack_count() {
        let node = symbols.stack(StackId(number));
        let length = node.map_or(0, |node| {
            let frame = frames.get(node.frame.index()).copied().unwrap_or(0);
            let parent = lengths.get(node.parent.index()).copied().unwrap_or(0);
            parent.saturating_add(u64::from(frame) + 2)
        });
        lengths.push(length);
    }
    lengths
}
