// SPDX-License-Identifier: MIT OR Apache-2.0

//! The trace event JSON that Perfetto and `chrome://tracing` open: each call is a slice
//! on its thread's track.

mod texts;

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::formats::chrome::texts::Texts;
use crate::formats::json_text;
use crate::formats::out::{Out, put_number};
use crate::formats::sink::{RowOrder, SinkError, TraceSink};
use crate::model::identifiers::{FrameId, StackId, TrackId};
use crate::model::row::{State, TimelineRow};
use crate::query::functions::Functions;
use crate::query::labels;
use crate::query::unique_ids::{ThreadIds, UniqueIds};
use crate::query::view::TraceView;

/// A sink for `.chrome.json`.
///
/// A slice lasts as long as its function stays at its place in the stack, whatever line
/// it is at. Its duration on the thread's clock (`tts`, `tdur`) is how long it ran
/// according to its samples, because it is drawn over ticks at which it did not run. A
/// thread that does not run has its state as the innermost slice.
///
/// Slices that end together are written from the outermost inwards, so that of equal ones
/// the caller comes first: readers sort by time and keep the order of equal ones.
/// Perfetto shows the names of slices as they are in the file, including escapes, so they
/// are written without escapes where that is possible.
pub struct ChromeTrace<'a, W> {
    out: Out<W>,
    view: &'a TraceView<'a>,
    functions: Functions,
    texts: Texts,
    unique_ids: UniqueIds,
    /// `,"pid":1,"tid":2,"ts":` of the current thread.
    ids: Vec<u8>,
    open: Vec<Slice>,
    /// CPU time of the current thread so far, in microseconds.
    clock: u64,
    path: Vec<FrameId>,
    events: u64,
    threads: u64,
}

/// A call that has not ended.
#[derive(Clone, Copy, Debug)]
struct Slice {
    what: What,
    /// Microseconds since the view's start.
    start: u64,
    /// The thread's CPU time at that moment, in microseconds.
    clock: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A function, with the frame that it began with.
    Call {
        function: u32,
        frame: FrameId,
    },
    Waiting(State),
}

impl What {
    fn goes_on_as(self, other: Self) -> bool {
        match (self, other) {
            (Self::Call { function: a, .. }, Self::Call { function: b, .. }) => a == b,
            _ => self == other,
        }
    }
}

/// What is at a depth: a frame, or the state after the innermost frame.
fn what(functions: &Functions, path: &[FrameId], depth: usize, state: State) -> What {
    match path.get(depth) {
        Some(&frame) => What::Call {
            function: functions.of_frame(frame),
            frame,
        },
        None => What::Waiting(state),
    }
}

impl<'a, W: Write> ChromeTrace<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>) -> Self {
        let symbols = &view.trace().symbols;
        Self {
            out: Out::new(output),
            view,
            functions: Functions::new(symbols),
            texts: Texts::new(symbols.frame_count()),
            unique_ids: UniqueIds::default(),
            ids: Vec::new(),
            open: Vec::new(),
            clock: 0,
            path: Vec::new(),
            events: 0,
            threads: 0,
        }
    }

    fn begin_event(&mut self) {
        let lead = if self.events == 0 {
            "{\"traceEvents\":[\n"
        } else {
            ",\n"
        };
        self.out.put(lead);
        self.events += 1;
    }

    /// Writes an event with metadata of a process or a thread.
    fn tell(&mut self, what: &str, ids: ThreadIds, arguments: &Value) -> io::Result<()> {
        self.begin_event();
        self.out.put("{\"ph\":\"M\",\"pid\":");
        self.out.number(ids.pid);
        self.out.put(",\"tid\":");
        self.out.number(ids.tid);
        self.out.put(",\"name\":\"");
        self.out.put(what);
        self.out.put("\",\"args\":");
        json_text::put_readable(&mut self.out.buffer, arguments)?;
        self.out.put("}");
        Ok(())
    }

    /// Writes a name. An empty one is left out, because Perfetto counts it as an error.
    fn tell_name(&mut self, what: &str, ids: ThreadIds, name: &str) -> io::Result<()> {
        if name.is_empty() {
            return Ok(());
        }
        self.tell(what, ids, &json!({"name": name}))
    }

    /// Ends the slices from `depth` inwards.
    fn close(&mut self, depth: usize, end: u64) -> io::Result<()> {
        for position in depth..self.open.len() {
            let Some(&slice) = self.open.get(position) else {
                break;
            };
            self.begin_event();
            self.out.put("{\"ph\":\"X\"");
            self.out.buffer.extend_from_slice(&self.ids);
            self.out.number(slice.start);
            self.out.put(",\"dur\":");
            self.out.number(end - slice.start);
            self.out.put(",\"tts\":");
            self.out.number(slice.clock);
            self.out.put(",\"tdur\":");
            self.out.number(self.clock - slice.clock);
            match slice.what {
                What::Call { frame, .. } => {
                    self.texts.put(self.view, frame, &mut self.out.buffer)?;
                }
                What::Waiting(state) => {
                    let label = labels::state(state).unwrap_or_default();
                    self.out.put(",\"cat\":\"state\",\"name\":");
                    json_text::put_readable(&mut self.out.buffer, &label)?;
                    self.out.put("}");
                }
            }
            self.out.drain()?;
        }
        self.open.truncate(depth);
        Ok(())
    }

    fn change(&mut self, stack: StackId, state: State, time: u64) -> io::Result<()> {
        let mut path = std::mem::take(&mut self.path);
        self.view.trace().symbols.frames_of(stack, &mut path);
        let waiting = labels::is_waiting(state) && !path.is_empty();
        let length = path.len() + usize::from(waiting);
        let depth = (0..length)
            .zip(&self.open)
            .take_while(|(depth, slice)| {
                slice
                    .what
                    .goes_on_as(what(&self.functions, &path, *depth, state))
            })
            .count();
        self.close(depth, time)?;
        let new = (depth..length).map(|depth| Slice {
            what: what(&self.functions, &path, depth, state),
            start: time,
            clock: self.clock,
        });
        self.open.extend(new);
        self.path = path;
        Ok(())
    }

    fn close_thread(&mut self) -> io::Result<()> {
        let end = self.view.microseconds(self.view.end());
        self.close(0, end)
    }
}

impl<W: Write> TraceSink for ChromeTrace<'_, W> {
    fn order(&self) -> Option<RowOrder> {
        Some(RowOrder::Thread)
    }

    fn track(&mut self, id: TrackId) -> Result<(), SinkError> {
        self.close_thread()?;
        self.clock = 0;
        let ids = self.unique_ids.of(self.view, id);
        let Some((track, process)) = self.view.thread(id) else {
            return Ok(());
        };
        if ids.new_process {
            self.tell_name("process_name", ids, &process.title())?;
            if !process.cmdline.is_empty() {
                let labels = json!({"labels": process.cmdline});
                self.tell("process_labels", ids, &labels)?;
            }
        }
        self.tell_name("thread_name", ids, &track.name)?;
        let position = json!({"sort_index": self.threads});
        self.tell("thread_sort_index", ids, &position)?;
        self.threads += 1;
        self.ids.clear();
        self.ids.extend_from_slice(b",\"pid\":");
        put_number(&mut self.ids, ids.pid);
        self.ids.extend_from_slice(b",\"tid\":");
        put_number(&mut self.ids, ids.tid);
        self.ids.extend_from_slice(b",\"ts\":");
        Ok(())
    }

    fn row(&mut self, row: &TimelineRow) -> Result<(), SinkError> {
        if row.microseconds() > 0 {
            let start = self.view.microseconds(row.start);
            self.change(row.stack, row.state, start)?;
        }
        if row.state == State::Running {
            self.clock += row.weight.microseconds();
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.close_thread()?;
        if self.events == 0 {
            self.out.put("{\"traceEvents\":[");
        }
        let info = &self.view.trace().info;
        self.out
            .put("\n],\"displayTimeUnit\":\"ms\",\"otherData\":");
        let start = info.unix_microseconds(self.view.start());
        let about = json!({
            "exporter": crate::formats::sink::EXPORTER,
            "host": info.host,
            "kernel": info.kernel,
            "mode": self.view.mode().name(),
            "hz": info.hz,
            "start_unix_us": start,
            "recorder": info.program,
            "counts": self.view.trace().summary.counts,
        });
        json_text::put_readable(&mut self.out.buffer, &about)?;
        self.out.put("}\n");
        Ok(self.out.finish()?)
    }
}
