// SPDX-License-Identifier: MIT OR Apache-2.0

//! Renders what an event says about its frame, once for each frame.

use std::io;

use crate::formats::json_text;
use crate::formats::out::put_number;
use crate::model::identifiers::FrameId;
use crate::query::view::TraceView;

/// Rendered texts are kept up to this many bytes; others are rendered each time.
const KEPT: usize = 64 << 20;

/// The end of a frame's events, each rendered once.
pub(super) struct Texts {
    kept: Vec<u8>,
    /// Start and length in `kept`; a length of 0 means that it is not rendered yet.
    ranges: Vec<(u32, u32)>,
}

impl Texts {
    pub(super) fn new(frames: u32) -> Self {
        Self {
            kept: Vec::new(),
            ranges: vec![(0, 0); frames as usize],
        }
    }

    /// Appends `,"cat":"python","name":"f","args":{"file":"a.py","line":3}}`.
    pub(super) fn put(
        &mut self,
        view: &TraceView<'_>,
        id: FrameId,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let Some(range) = self.ranges.get_mut(id.index()) else {
            return Ok(());
        };
        if range.1 == 0 {
            let start = self.kept.len();
            if start >= KEPT {
                return Self::render(view, id, out);
            }
            Self::render(view, id, &mut self.kept)?;
            let length = self.kept.len() - start;
            if let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(length)) {
                *range = (start, length);
            }
        }
        let (start, length) = (range.0 as usize, range.1 as usize);
        out.extend_from_slice(self.kept.get(start..start + length).unwrap_or_default());
        Ok(())
    }

    fn render(view: &TraceView<'_>, id: FrameId, out: &mut Vec<u8>) -> io::Result<()> {
        let symbols = &view.trace().symbols;
        let frame = symbols.frame(id).unwrap_or_default();
        out.extend_from_slice(b",\"cat\":\"python\",\"name\":");
        json_text::put_readable(out, symbols.string(frame.function))?;
        out.extend_from_slice(b",\"args\":{\"file\":");
        json_text::put_readable(out, symbols.string(frame.file))?;
        if frame.line > 0 {
            out.extend_from_slice(b",\"line\":");
            put_number(out, frame.line);
        }
        out.extend_from_slice(b"}}");
        Ok(())
    }
}
