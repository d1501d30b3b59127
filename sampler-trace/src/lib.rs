// SPDX-License-Identifier: MIT OR Apache-2.0

//! Traces of sampled Python processes: the data model, the `.pyebpf` container, the
//! formats that a trace can be read from and written to, and the analyses of a trace.
//!
//! # Writing and reading a trace
//!
//! A trace is written as it grows, and can be read after a crash up to its last segment.
//!
//! ```
//! use sampler_trace::container::info::{Mode, Summary, TraceInfo};
//! use sampler_trace::container::load::Trace;
//! use sampler_trace::container::writer::TraceWriter;
//! use sampler_trace::model::identifiers::{KernelTime, StackId};
//! use sampler_trace::model::intern::SymbolInterner;
//! use sampler_trace::model::row::{RowChange, State, Weight};
//! use sampler_trace::model::symbols::Frame;
//! use sampler_trace::model::track::{ProcessInfo, Track, Tracks};
//! use sampler_trace::query::view::TraceView;
//!
//! // At 10 Hz, one thread was found in `app.serve` by two ticks.
//! let info = TraceInfo {
//!     hz: 10,
//!     mode: Mode::Cpu,
//!     start: KernelTime(0),
//!     ..TraceInfo::default()
//! };
//! let mut symbols = SymbolInterner::default();
//! let frame = Frame {
//!     file: symbols.string("/srv/app.py"),
//!     function: symbols.string("serve"),
//!     line: 12,
//!     source: symbols.string("handle(request)"),
//! };
//! let frame = symbols.frame(frame);
//! let stack = symbols.stack(StackId::EMPTY, frame);
//! let mut tracks = Tracks::default();
//! let process = tracks.add_process(ProcessInfo::titled(812, "app"));
//! let track = tracks.add_track(Track {
//!     process,
//!     tid: 812,
//!     ident: 0,
//!     name: "MainThread".into(),
//! });
//!
//! let mut writer = TraceWriter::create(Vec::new(), &info)?;
//! writer.change(&RowChange {
//!     track,
//!     time: KernelTime(100_000_000),
//!     stack,
//!     state: State::Running,
//!     weight: Weight::of_samples(100_000_000, 2),
//! });
//! let summary = Summary {
//!     end: KernelTime(300_000_000),
//!     ..Summary::default()
//! };
//! let file = writer.finish(&summary, symbols.symbols(), &mut tracks)?;
//!
//! let trace = Trace::read(&file[..])?;
//! let view = TraceView::whole(&trace);
//! let rows: Vec<_> = view.rows(track).collect();
//! assert_eq!(rows[0].weight.nanoseconds(), 200_000_000);
//! assert_eq!(view.label(track), "MainThread");
//! # Ok::<(), sampler_trace::container::error::TraceError>(())
//! ```
//!
//! # Adding a format
//!
//! A format is a [`TraceSink`](formats::sink::TraceSink): it is given the rows of a view,
//! one thread after the other or in the order of time.
//!
//! ```
//! use std::io::Write;
//!
//! use sampler_trace::formats::sink::{RowOrder, SinkError, TraceSink, drive};
//! use sampler_trace::model::row::TimelineRow;
//! # use sampler_trace::container::info::{Summary, TraceInfo};
//! # use sampler_trace::container::load::Trace;
//! # use sampler_trace::container::writer::TraceWriter;
//! # use sampler_trace::model::symbols::Symbols;
//! # use sampler_trace::model::track::Tracks;
//! # use sampler_trace::query::view::TraceView;
//!
//! /// When each row begins, in nanoseconds of the kernel's clock: one line a row.
//! struct Starts<W>(W);
//!
//! impl<W: Write> TraceSink for Starts<W> {
//!     fn order(&self) -> Option<RowOrder> {
//!         Some(RowOrder::Time)
//!     }
//!
//!     fn row(&mut self, row: &TimelineRow) -> Result<(), SinkError> {
//!         Ok(writeln!(self.0, "{}", row.start.0)?)
//!     }
//!
//!     fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
//!         Ok(self.0.flush()?)
//!     }
//! }
//!
//! # let writer = TraceWriter::create(Vec::new(), &TraceInfo::default())?;
//! # let file = writer.finish(&Summary::default(), &Symbols::default(), &mut Tracks::default())?;
//! # let trace = Trace::read(&file[..])?;
//! let view = TraceView::whole(&trace);
//! let mut output = Vec::new();
//! drive(&view, Box::new(Starts(&mut output)))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod account;
pub mod analysis;
pub mod container;
pub mod convert;
pub mod escape;
pub mod formats;
pub mod join;
pub mod model;
pub mod query;
