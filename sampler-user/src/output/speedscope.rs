//! The JSON of speedscope: one sampled profile for each thread, all on one
//! clock. It refuses to know anything of the viewer but its file format
//! (<https://www.speedscope.app/file-format-schema.json>).

use std::io::{self, Write};

use super::out::Out;
use super::used::{Renumbered, UsedStacks};
use super::{SinkError, TraceSink, TraceView, json_text, labels};
use crate::timeline::{FrameId, StackId, State, TrackId};

/// A sink for `.speedscope.json`.
///
/// The samples of a thread begin with an empty one that lasts until it was
/// first seen: the viewer has no other way to know when a thread started.
pub struct Speedscope<'a, W> {
    out: Out<W>,
    view: &'a TraceView<'a>,
    frames: Renumbered,
    /// The number of the frame that stands for each state, if any does.
    states: [Option<u32>; State::ALL.len()],
    path: Vec<FrameId>,
}

impl<'a, W: Write> Speedscope<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>) -> Self {
        let used = UsedStacks::of(view, view.tracks());
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
        json_text::put(&mut self.out.buffer, super::EXPORTER)?;
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
        let rows = || view.rows(track).filter(|row| row.microseconds() > 0);
        let lead = rows()
            .next()
            .map_or(length, |row| view.microseconds(row.start));
        let mut comma = lead > 0;
        if comma {
            self.out.put("[]");
        }
        for row in rows() {
            self.out.comma_unless(!comma);
            comma = true;
            self.stack(row.stack, row.state);
            self.out.drain()?;
        }
        self.out.put("],\"weights\":[");
        let mut comma = lead > 0;
        if comma {
            self.out.number(lead);
        }
        for row in rows() {
            self.out.comma_unless(!comma);
            comma = true;
            self.out.number(row.microseconds());
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
