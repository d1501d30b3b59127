// SPDX-License-Identifier: MIT OR Apache-2.0

//! The JSON of speedscope (<https://www.speedscope.app/file-format-schema.json>): one
//! sampled profile for each thread, all on one clock.

use std::io::{self, Write};

use crate::formats::json_text;
use crate::formats::out::Out;
use crate::formats::sink::{SinkError, TraceSink};
use crate::model::identifiers::{FrameId, StackId, TrackId};
use crate::model::row::{State, TimelineRow};
use crate::query::labels;
use crate::query::used::{Renumbered, UsedStacks};
use crate::query::view::TraceView;

/// A sink for `.speedscope.json`.
///
/// A sample weighs what the samples of its row stand for. Where that is less than the
/// row's length, and before a thread was first seen, an empty sample fills the time: the
/// viewer has no other way to know when something began.
pub struct Speedscope<'a, W> {
    out: Out<W>,
    view: &'a TraceView<'a>,
    frames: Renumbered,
    /// The number of the frame for each state, if any row has the state.
    states: [Option<u32>; State::ALL.len()],
    path: Vec<FrameId>,
}

impl<'a, W: Write> Speedscope<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>) -> Self {
        let used = UsedStacks::new(view, view.tracks());
        let frames = used.frames(&view.trace().symbols);
        let mut states = [None; State::ALL.len()];
        let first = frames.old().len();
        for (position, state) in used.waiting_states().enumerate() {
            if let Some(slot) = states.get_mut(usize::from(state.number())) {
                *slot = u32::try_from(first + position).ok();
            }
        }
        Self {
            out: Out::new(output),
            view,
            frames,
            states,
            path: Vec::new(),
        }
    }

    fn head(&mut self) -> io::Result<()> {
        let info = &self.view.trace().info;
        self.out.put(
            "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"exporter\":",
        );
        json_text::put(&mut self.out.buffer, crate::formats::sink::EXPORTER)?;
        self.out.put(",\"name\":");
        json_text::put(&mut self.out.buffer, &info.host)?;
        self.out
            .put(",\"activeProfileIndex\":0,\"shared\":{\"frames\":[");
        let symbols = &self.view.trace().symbols;
        for (position, &number) in self.frames.old().iter().enumerate() {
            let frame = symbols.frame(FrameId(number)).unwrap_or_default();
            let lead = if position > 0 { "," } else { "" };
            self.out.put(lead);
            self.out.put("\n{\"name\":");
            json_text::put(&mut self.out.buffer, symbols.string(frame.function))?;
            self.out.put(",\"file\":");
            json_text::put(&mut self.out.buffer, symbols.string(frame.file))?;
            if frame.line > 0 {
                self.out.put(",\"line\":");
                self.out.number(frame.line);
            }
            self.out.put("}");
            self.out.drain()?;
        }
        let waiting = State::ALL.into_iter().zip(self.states);
        for (state, number) in waiting {
            let (Some(number), Some(label)) = (number, labels::state(state)) else {
                continue;
            };
            self.out.comma_unless(number == 0);
            self.out.put("\n{\"name\":");
            json_text::put(&mut self.out.buffer, &label)?;
            self.out.put("}");
        }
        self.out.put("]},\"profiles\":[");
        Ok(())
    }

    fn thread(&mut self, track: TrackId, first: bool) -> io::Result<()> {
        self.out.comma_unless(first);
        self.out.put("\n{\"type\":\"sampled\",\"name\":");
        json_text::put(&mut self.out.buffer, &self.view.label(track))?;
        let length = self.view.microseconds(self.view.end());
        self.out
            .put(",\"unit\":\"microseconds\",\"startValue\":0,\"endValue\":");
        self.out.number(length);
        self.out.put(",\"samples\":[");
        let view = self.view;
        let mut comma = false;
        for piece in Pieces::of(view, track, length) {
            self.out.comma_unless(!comma);
            comma = true;
            self.stack(piece.stack, piece.state);
            self.out.drain()?;
        }
        self.out.put("],\"weights\":[");
        let mut comma = false;
        for piece in Pieces::of(view, track, length) {
            self.out.comma_unless(!comma);
            comma = true;
            self.out.number(piece.microseconds);
            self.out.drain()?;
        }
        self.out.put("]}");
        Ok(())
    }

    fn stack(&mut self, stack: StackId, state: State) {
        self.view.trace().symbols.frames_of(stack, &mut self.path);
        self.out.put("[");
        for (position, &frame) in self.path.iter().enumerate() {
            self.out.comma_unless(position == 0);
            self.out.number(self.frames.of_frame(frame));
        }
        let state = self.states.get(usize::from(state.number()));
        if let Some(number) = state.copied().flatten()
            && !self.path.is_empty()
        {
            self.out.put(",");
            self.out.number(number);
        }
        self.out.put("]");
    }
}

/// A sample of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    stack: StackId,
    state: State,
    microseconds: u64,
}

/// The samples of a thread, with empty ones that keep the others at their times.
struct Pieces<R> {
    rows: R,
    /// Up to where the samples so far reach, in microseconds.
    at: u64,
    /// When the view begins, in nanoseconds, and how long it is, in microseconds.
    start: u64,
    length: u64,
    /// The next sample, if the gap in front of it was just returned.
    held: Option<Piece>,
}

impl Pieces<()> {
    fn of(view: &TraceView<'_>, track: TrackId, length: u64) -> impl Iterator<Item = Piece> {
        Pieces {
            rows: view.rows(track),
            at: 0,
            start: view.start().0,
            length,
            held: None,
        }
    }
}

impl<R: Iterator<Item = TimelineRow>> Pieces<R> {
    fn gap(&mut self, until: u64) -> Option<Piece> {
        let microseconds = until.saturating_sub(self.at);
        self.at = self.at.max(until);
        (microseconds > 0).then_some(Piece {
            stack: StackId::EMPTY,
            state: State::None,
            microseconds,
        })
    }
}

impl<R: Iterator<Item = TimelineRow>> Iterator for Pieces<R> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some(piece) = self.held.take() {
            self.at += piece.microseconds;
            return Some(piece);
        }
        loop {
            let Some(row) = self.rows.next() else {
                return self.gap(self.length);
            };
            let microseconds = row.weight.microseconds();
            if row.stack == StackId::EMPTY || microseconds == 0 {
                continue;
            }
            let piece = Piece {
                stack: row.stack,
                state: row.state,
                microseconds,
            };
            match self.gap(row.start.0.saturating_sub(self.start) / 1000) {
                None => {
                    self.at += microseconds;
                    return Some(piece);
                }
                gap => {
                    self.held = Some(piece);
                    return gap;
                }
            }
        }
    }
}

impl<W: Write> TraceSink for Speedscope<'_, W> {
    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.head()?;
        let view = self.view;
        for (position, &track) in view.tracks().iter().enumerate() {
            self.thread(track, position == 0)?;
        }
        self.out.put("\n]}\n");
        Ok(self.out.finish()?)
    }
}
