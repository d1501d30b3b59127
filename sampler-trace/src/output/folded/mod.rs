// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collapsed stacks: one line for each stack, with its frames from the outermost inwards,
//! and the microseconds for which it was seen.

mod lines;
mod parse;
mod read;

use std::io::Write;

pub(super) use self::lines::{StackLines, base};
pub use self::read::{FoldedError, read_folded, read_folded_bytes};
use super::out::Out;
use super::{Group, Shape, SinkError, TraceSink, TraceView, stack_times};

/// A sink for `.folded`: `process 1:"a";thread (1): "b";f (x.py:3) 1500`.
pub struct Folded<'a, W> {
    out: Out<W>,
    view: &'a TraceView<'a>,
    shape: Shape,
}

impl<'a, W: Write> Folded<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>, shape: Shape) -> Self {
        Self {
            out: Out::new(output),
            view,
            shape,
        }
    }
}

impl<W: Write> TraceSink for Folded<'_, W> {
    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        let mut lines = StackLines::new(&self.view.trace().symbols);
        for group in Group::all_of(self.view, self.shape.merge_threads) {
            let root = base(self.view, &group);
            for time in stack_times(self.view, &group.tracks) {
                self.out.put(&root);
                lines.put(time.stack, time.state, &mut self.out.buffer);
                self.out.put(" ");
                self.out.number(time.microseconds);
                self.out.put("\n");
                self.out.drain()?;
            }
        }
        Ok(self.out.finish()?)
    }
}
