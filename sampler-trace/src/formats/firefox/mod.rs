// SPDX-License-Identifier: MIT OR Apache-2.0

//! The processed profile format of the Firefox Profiler: one track for each thread under
//! its process, waiting as markers.
//!
//! Version 57 is written: newer versions rename columns in a way that other readers of
//! the format do not know yet, and the viewer upgrades older ones. The columns are those
//! of its `docs-developer/CHANGELOG-formats.md` and `src/types/profile.ts`.

mod markers;
mod meta;
mod tables;

use std::io::{self, Write};

use crate::formats::firefox::meta::Meta;
use crate::formats::firefox::tables::{Strings, ThreadTables};
use crate::formats::json_text;
use crate::formats::out::Out;
use crate::formats::sink::{SinkError, TraceSink};
use crate::model::identifiers::TrackId;
use crate::model::row::{State, TimelineRow};
use crate::query::functions::Functions;
use crate::query::unique_ids::{ThreadIds, UniqueIds};
use crate::query::view::TraceView;

/// A sink for `.firefox.json`.
///
/// A sample represents a row, and weighs what the samples in that row stand for. The rows
/// of a thread are read once for each column.
pub struct FirefoxProfile<'a, W> {
    out: Out<W>,
    view: &'a TraceView<'a>,
    functions: Functions,
    tables: ThreadTables<'a>,
    strings: Strings<'a>,
    unique_ids: UniqueIds,
}

impl<'a, W: Write> FirefoxProfile<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>) -> Self {
        let symbols = &view.trace().symbols;
        Self {
            out: Out::new(output),
            view,
            functions: Functions::new(symbols),
            tables: ThreadTables::new(symbols),
            strings: Strings::new(symbols),
            unique_ids: UniqueIds::default(),
        }
    }

    fn rows(&self, track: TrackId) -> impl Iterator<Item = TimelineRow> + use<'a, W> {
        let rows = self.view.rows(track);
        // A row without length can have a weight: what a thread waited for can become
        // known when it runs again.
        rows.filter(|row| row.microseconds() > 0 || !row.weight.is_zero())
    }

    fn thread(&mut self, id: TrackId) -> io::Result<()> {
        let ids = self.unique_ids.of(self.view, id);
        self.about(id, ids)?;
        let rows = self.rows(id);
        self.tables.restart(&self.functions, rows);
        self.samples(id)?;
        self.tables
            .put(&self.functions, &mut self.strings, &mut self.out)?;
        markers::put(self.view, id, &mut self.strings, &mut self.out)?;
        self.out.put("}");
        Ok(())
    }

    /// Writes what is known about the thread.
    fn about(&mut self, id: TrackId, ids: ThreadIds) -> io::Result<()> {
        let Some((track, process)) = self.view.thread(id) else {
            return Ok(());
        };
        let first = self
            .rows(id)
            .next()
            .map_or(0, |row| self.view.microseconds(row.start));
        self.out
            .put("\n{\"processType\":\"default\",\"processStartupTime\":0,");
        self.out
            .put("\"processShutdownTime\":null,\"registerTime\":");
        self.out.milliseconds(first);
        self.out
            .put(",\"unregisterTime\":null,\"pausedRanges\":[],");
        self.out.put("\"showMarkersInTimeline\":true,\"name\":");
        json_text::put(&mut self.out.buffer, &track.name)?;
        self.out.put(",\"isMainThread\":");
        self.out.put(if ids.is_main { "true" } else { "false" });
        self.out.put(",\"processName\":");
        json_text::put(&mut self.out.buffer, &process.title())?;
        self.out.put(",\"pid\":\"");
        self.out.number(ids.pid);
        self.out.put("\",\"tid\":");
        self.out.number(ids.tid);
        Ok(())
    }

    fn samples(&mut self, id: TrackId) -> io::Result<()> {
        let end = self.view.microseconds(self.view.end());
        let mut length = 1_u64;
        self.out.put(",\"samples\":{\"stack\":[");
        for row in self.rows(id) {
            length += 1;
            match self.tables.number(&row) {
                Some(number) => self.out.number(number),
                None => self.out.put("null"),
            }
            self.out.put(",");
            self.out.drain()?;
        }
        // The last sample only marks when the one before it ended.
        self.out.put("null],\"time\":[");
        for row in self.rows(id) {
            self.out.milliseconds(self.view.microseconds(row.start));
            self.out.put(",");
            self.out.drain()?;
        }
        self.out.milliseconds(end);
        self.out.put("],\"weight\":[");
        for row in self.rows(id) {
            self.out.milliseconds(row.weight.microseconds());
            self.out.put(",");
            self.out.drain()?;
        }
        // The CPU time that was used since the previous sample.
        self.out.put("0],\"threadCPUDelta\":[0");
        for row in self.rows(id) {
            let ran = row.state == State::Running;
            self.out.put(",");
            let used = if ran { row.weight.microseconds() } else { 0 };
            self.out.number(used);
            self.out.drain()?;
        }
        self.out.put("],\"weightType\":\"tracing-ms\",\"length\":");
        self.out.number(length);
        self.out.put("}");
        Ok(())
    }
}

impl<W: Write> TraceSink for FirefoxProfile<'_, W> {
    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.out.put("{\"meta\":");
        json_text::put(&mut self.out.buffer, &Meta::new(self.view))?;
        self.out.put(",\"libs\":[],\"pages\":[],\"threads\":[");
        let view = self.view;
        for (position, &track) in view.tracks().iter().enumerate() {
            self.out.comma_unless(position == 0);
            self.thread(track)?;
        }
        self.out.put("],\"shared\":{\"stringArray\":[");
        self.strings.put(&mut self.out)?;
        self.out.put("]}}\n");
        Ok(self.out.finish()?)
    }
}
