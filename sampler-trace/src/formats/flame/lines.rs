// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collapsed stacks in memory, in one text.

use crate::formats::out::put_number;

/// Collapsed stacks in memory, in one text.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) text: Vec<u8>,
    pub(super) ends: Vec<usize>,
    /// How many threads are not drawn.
    pub(super) left_out: usize,
}

impl Lines {
    /// Appends a line with a stack and its time.
    pub(super) fn push(&mut self, stack: &str, microseconds: u64) {
        self.text.extend_from_slice(stack.as_bytes());
        self.end(microseconds);
    }

    /// Ends a line whose stack was appended to `text`.
    pub(super) fn end(&mut self, microseconds: u64) {
        self.text.push(b' ');
        put_number(&mut self.text, microseconds);
        self.ends.push(self.text.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| {
            let line = self.text.get(start..end).unwrap_or_default();
            std::str::from_utf8(line).unwrap_or_default()
        })
    }
}
