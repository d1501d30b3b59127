// SPDX-License-Identifier: MIT OR Apache-2.0

//! Collapsed stacks: one line for each stack, with its frames from the outermost inwards,
//! and the microseconds for which it was seen.

pub mod lines;
mod parse;
pub mod read;

use std::io::Write;

use crate::formats::folded::lines::{StackLines, base};
use crate::formats::out::Out;
use crate::formats::sink::{Shape, SinkError, TraceSink};
use crate::query::aggregate::{Group, stack_times};
use crate::query::view::TraceView;

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
