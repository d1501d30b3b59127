// SPDX-License-Identifier: MIT OR Apache-2.0

//! The timeline JSON: rows of four elements, which the 2012 viewer page opens.

mod frames;
mod sentinel;
mod states;
mod thread_rows;

use std::io::Write;

use crate::formats::json_text;
use crate::formats::sink::{RowOrder, SinkError, TraceSink};
use crate::formats::timeline_json::frames::FrameTexts;
use crate::formats::timeline_json::states::Columns;
use crate::formats::timeline_json::thread_rows::ThreadRows;
use crate::model::identifiers::{FrameId, KernelTime, StackId, TrackId};
use crate::model::row::{State, TimelineRow, Weight};
use crate::query::view::TraceView;

/// Output is collected up to this many bytes.
const CHUNK: usize = 1 << 16;

/// A sink for the timeline JSON.
///
/// A row is written when a thread's stack changes; a change of state alone goes into a
/// column of the sentinel, the last row. In [`RowOrder::Thread`], each thread is closed by a
/// row with the empty stack, unless it ends with one.
pub struct TimelineJson<'a, W> {
    output: W,
    view: &'a TraceView<'a>,
    order: RowOrder,
    buffer: Vec<u8>,
    texts: FrameTexts<'a>,
    path: Vec<FrameId>,
    threads: Vec<ThreadRows>,
    /// For each track, by its number, its position in `threads`.
    positions: Vec<Option<u32>>,
    columns: Columns,
    rows: u64,
}

impl<'a, W: Write> TimelineJson<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>, order: RowOrder) -> Self {
        Self {
            output,
            view,
            order,
            buffer: Vec::with_capacity(2 * CHUNK),
            texts: FrameTexts::new(&view.trace().symbols),
            path: Vec::new(),
            threads: Vec::new(),
            positions: vec![None; view.trace().tracks.tracks().len()],
            columns: Columns::new(order),
            rows: 0,
        }
    }

    fn begin_row(&mut self, time: KernelTime) {
        self.buffer
            .extend(if self.rows == 0 { "[\n[" } else { ",\n[" }.as_bytes());
        put_seconds(
            &mut self.buffer,
            self.view.trace().info.unix_microseconds(time),
        );
        self.rows += 1;
    }

    fn close_thread(&mut self) {
        let Some(thread) = self.threads.last() else {
            return;
        };
        if thread
            .last_stack
            .is_none_or(|stack| stack == StackId::EMPTY)
        {
            return;
        }
        let end = thread.last_end;
        self.begin_row(end);
        if let Some(thread) = self.threads.last_mut() {
            self.buffer.extend(&thread.head);
            thread.end = self.rows;
        }
        self.buffer.extend(b"[]]");
        let position = u32::try_from(self.threads.len() - 1).unwrap_or(u32::MAX);
        self.columns.row(position, State::None, Weight::ZERO);
    }

    fn put_stack(&mut self, stack: StackId) -> Result<(), SinkError> {
        self.view.trace().symbols.frames_of(stack, &mut self.path);
        self.buffer.push(b'[');
        for (position, &frame) in self.path.iter().enumerate() {
            if position > 0 {
                self.buffer.extend(b", ");
            }
            self.texts.put(frame, &mut self.buffer)?;
            if self.buffer.len() >= 16 * CHUNK {
                self.output.write_all(&self.buffer)?;
                self.buffer.clear();
            }
        }
        self.buffer.extend(b"]]");
        Ok(())
    }

    fn drain(&mut self) -> Result<(), SinkError> {
        if self.buffer.len() >= CHUNK {
            self.output.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

impl<W: Write> TraceSink for TimelineJson<'_, W> {
    fn order(&self) -> Option<RowOrder> {
        Some(self.order)
    }

    fn track(&mut self, track: TrackId) -> Result<(), SinkError> {
        if self.order == RowOrder::Thread {
            self.close_thread();
        }
        let mut head = b", ".to_vec();
        let ident = self.view.thread(track).map_or(0, |(track, _)| track.ident);
        head.extend(ident.to_string().as_bytes());
        head.extend(b", ");
        json_text::put(&mut head, &self.view.label(track))?;
        head.extend(b", ");
        if let Some(slot) = self.positions.get_mut(track.index()) {
            *slot = u32::try_from(self.threads.len()).ok();
        }
        let start = KernelTime(0);
        self.threads.push(ThreadRows {
            track,
            head,
            first: self.rows,
            end: self.rows,
            last_stack: None,
            last_start: start,
            last_end: start,
        });
        Ok(())
    }

    fn row(&mut self, row: &TimelineRow) -> Result<(), SinkError> {
        let position = self.positions.get(row.track.index()).copied().flatten();
        let Some((position, thread)) =
            position.and_then(|at| Some((at, self.threads.get_mut(at as usize)?)))
        else {
            return Ok(());
        };
        thread.last_end = row.end;
        if thread.last_stack == Some(row.stack) {
            let offset = row.start.since(thread.last_start).as_micros();
            let of = thread.end.saturating_sub(1);
            let offset = u64::try_from(offset).unwrap_or(u64::MAX);
            self.columns.change(of, offset, row.state, row.weight);
            return Ok(());
        }
        if thread.last_stack.is_none() {
            thread.first = self.rows;
        }
        thread.end = self.rows + 1;
        thread.last_stack = Some(row.stack);
        thread.last_start = row.start;
        self.columns.row(position, row.state, row.weight);
        self.begin_row(row.start);
        if let Some(thread) = self.threads.get(position as usize) {
            self.buffer.extend(&thread.head);
        }
        self.put_stack(row.stack)?;
        self.drain()
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        if self.order == RowOrder::Thread {
            self.close_thread();
        }
        self.begin_row(self.view.end());
        self.buffer.extend(b", null, null, [], ");
        let Self {
            buffer,
            view,
            order,
            threads,
            columns,
            ..
        } = &mut *self;
        sentinel::put(buffer, view, *order, threads, columns)?;
        self.buffer.extend(b"]\n]\n");
        self.output.write_all(&self.buffer)?;
        self.output.flush()?;
        Ok(())
    }
}

/// Estimates, to the byte nearly, how many bytes the rows of a view take, without writing
/// them.
pub(super) fn projected(view: &TraceView<'_>) -> u64 {
    let lengths = frames::stack_lengths(&view.trace().symbols);
    let mut total = 0_u64;
    for &track in view.tracks() {
        // A time of 17 digits, an ident of 15 digits, and the punctuation around them.
        let row_length = 45 + view.label(track).len() as u64;
        let mut last = None;
        for row in view.rows(track) {
            if last != Some(row.stack) {
                last = Some(row.stack);
                let stack = lengths.get(row.stack.index()).copied().unwrap_or(0);
                total = total.saturating_add(row_length + stack);
            }
        }
    }
    total
}

/// Appends seconds with six decimals.
fn put_seconds(out: &mut Vec<u8>, microseconds: u64) {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    out.extend(format!("{seconds}.{rest:06}").as_bytes());
}
