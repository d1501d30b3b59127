// SPDX-License-Identifier: MIT OR Apache-2.0

//! pprof's protocol buffers: how long each thread had each stack. The format has no place
//! for the order of time.

mod messages;
mod strings;

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::encoding::{WireType, encode_key, encode_varint, message, string};

use crate::container::info::Mode;
use crate::formats::pprof::messages::{Function, Label, Line, Location, Sample, ValueType, field};
use crate::formats::pprof::strings::StringTable;
use crate::formats::sink::{Shape, SinkError, TraceSink};
use crate::model::identifiers::FrameId;
use crate::model::row::State;
use crate::query::aggregate::{Group, stack_times};
use crate::query::functions::Functions;
use crate::query::used::Renumbered;
use crate::query::view::TraceView;

/// Bytes are collected up to this many before they are compressed.
const CHUNK: usize = 1 << 16;

/// A sink for `.pb.gz`.
///
/// Samples are written as they are added up, and the tables that they refer to after
/// them: the order of fields in a message is free.
pub struct Pprof<'a, W: Write> {
    output: GzEncoder<W>,
    buffer: Vec<u8>,
    view: &'a TraceView<'a>,
    shape: Shape,
    strings: StringTable,
    locations: Renumbered,
}

impl<'a, W: Write> Pprof<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>, shape: Shape) -> Self {
        Self {
            // Without a time and a name in the gzip header, equal input gives equal bytes.
            output: GzEncoder::new(output, Compression::default()),
            buffer: Vec::new(),
            view,
            shape,
            strings: StringTable::new(),
            locations: Renumbered::new(view.trace().symbols.frame_count()),
        }
    }

    fn put(&mut self, field: u32, value: &impl prost::Message) {
        message::encode(field, value, &mut self.buffer);
    }

    fn put_number(&mut self, field: u32, number: u64) {
        encode_key(field, WireType::Varint, &mut self.buffer);
        encode_varint(number, &mut self.buffer);
    }

    fn drain(&mut self) -> io::Result<()> {
        if self.buffer.len() >= CHUNK {
            self.output.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        ValueType {
            kind: self.strings.number(kind),
            unit: self.strings.number(unit),
        }
    }

    /// Writes how the samples were taken and what their values are.
    fn head(&mut self) {
        let info = &self.view.trace().info;
        let time = match self.view.mode() {
            Mode::Cpu => "cpu",
            Mode::Wall | Mode::CpuAndWall => "wall",
        };
        let samples = self.value_type("samples", "count");
        let nanoseconds = self.value_type(time, "nanoseconds");
        self.put(field::SAMPLE_TYPE, &samples);
        self.put(field::SAMPLE_TYPE, &nanoseconds);
        let start = info.unix_microseconds(self.view.start());
        self.put_number(field::TIME_NANOS, start.saturating_mul(1000));
        let duration = self.view.microseconds(self.view.end());
        self.put_number(field::DURATION_NANOS, duration.saturating_mul(1000));
        self.put(field::PERIOD_TYPE, &nanoseconds);
        self.put_number(field::PERIOD, info.period_ns());
        let counts = self.view.trace().summary.counts.iter();
        let account =
            counts.map(|(name, count)| format!("samples of the recording, {name}: {count}"));
        let host = (!info.host.is_empty()).then(|| format!("host: {}", info.host));
        let comments = [crate::formats::sink::EXPORTER.to_owned()]
            .into_iter()
            .chain(host);
        for comment in comments.chain(account) {
            let comment = self.strings.number(&comment);
            self.put_number(field::COMMENT, comment.unsigned_abs());
        }
        let default = self.strings.number(time);
        self.put_number(field::DEFAULT_SAMPLE_TYPE, default.unsigned_abs());
    }

    /// The labels that all samples of a group have.
    fn labels(&mut self, group: &Group) -> Vec<Label> {
        let mut labels = Vec::new();
        if let Some(process) = self.view.trace().tracks.process(group.process) {
            labels.push(self.number_label("pid", process.pid));
            labels.push(self.text_label("process", &process.title()));
        }
        if let Some((track, _)) = group.thread.and_then(|id| self.view.thread(id)) {
            labels.push(self.number_label("tid", track.tid));
            labels.push(self.text_label("thread", &track.name));
        }
        labels
    }

    fn number_label(&mut self, key: &str, number: u32) -> Label {
        Label {
            key: self.strings.number(key),
            str: 0,
            num: number.into(),
        }
    }

    fn text_label(&mut self, key: &str, text: &str) -> Label {
        Label {
            key: self.strings.number(key),
            str: self.strings.number(text),
            num: 0,
        }
    }

    fn samples(&mut self) -> io::Result<()> {
        let symbols = &self.view.trace().symbols;
        let mut path = Vec::new();
        for group in Group::all_of(self.view, self.shape.merge_threads) {
            let labels = self.labels(&group);
            for time in stack_times(self.view, &group.tracks) {
                symbols.frames_of(time.stack, &mut path);
                let locations = path.iter().rev();
                let location_id = locations
                    .map(|frame| u64::from(self.locations.number(frame.0)) + 1)
                    .collect();
                let nanoseconds = time.microseconds.saturating_mul(1000);
                let mut label = labels.clone();
                if time.state != State::None {
                    label.push(self.text_label("state", time.state.name()));
                }
                let value = [time.samples, nanoseconds];
                let sample = Sample {
                    location_id,
                    value: value
                        .map(|value| i64::try_from(value).unwrap_or(i64::MAX))
                        .to_vec(),
                    label,
                };
                self.put(field::SAMPLE, &sample);
                self.drain()?;
            }
        }
        Ok(())
    }

    /// Writes the tables that the samples refer to.
    fn tables(&mut self) -> io::Result<()> {
        let symbols = &self.view.trace().symbols;
        let functions = Functions::new(symbols);
        let mut used = Renumbered::new(functions.count());
        let frames = self.locations.old().to_vec();
        for (id, &number) in (1..).zip(&frames) {
            let function = functions.of_frame(FrameId(number));
            let line = symbols.frame(FrameId(number)).unwrap_or_default().line;
            let line = Line {
                function_id: u64::from(used.number(function)) + 1,
                line: line.into(),
            };
            let location = Location {
                id,
                line: vec![line],
            };
            self.put(field::LOCATION, &location);
            self.drain()?;
        }
        for (id, &number) in (1..).zip(used.old()) {
            let (file, name) = functions.file_and_name(number);
            let name = self.strings.number(symbols.string(name));
            let filename = self.strings.number(symbols.string(file));
            let function = Function {
                id,
                name,
                system_name: name,
                filename,
            };
            self.put(field::FUNCTION, &function);
            self.drain()?;
        }
        let strings = std::mem::replace(&mut self.strings, StringTable::new());
        for text in strings.iter() {
            string::encode(field::STRING_TABLE, &text.to_owned(), &mut self.buffer);
            self.drain()?;
        }
        Ok(())
    }
}

impl<W: Write> TraceSink for Pprof<'_, W> {
    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.head();
        self.samples()?;
        self.tables()?;
        self.output.write_all(&self.buffer)?;
        Ok(self.output.finish()?.flush()?)
    }
}
