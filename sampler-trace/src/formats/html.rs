// SPDX-License-Identifier: MIT OR Apache-2.0

//! A page that shows a trace by itself: the viewer, with the trace in it as a container.
//!
//! The container is base64 text inside a `<template>`, which no browser shows or runs: to
//! the page, no byte of a trace can be anything but data. Chromium reads text there in
//! half the time that it needs for a `<script>` of another type. The page's content
//! security policy names its own script and style by their hashes.

use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;

use crate::formats::container::ContainerSink;
use crate::formats::sink::{RowOrder, SinkError, TraceSink};
use crate::model::identifiers::TrackId;
use crate::model::row::TimelineRow;
use crate::query::view::TraceView;

/// The viewer, as `cargo xtask viewer` builds it.
pub const VIEWER: &str = include_str!("../../../viewer/dist/viewer.html");
/// The mark in the viewer that the trace replaces.
const PLACE: &str = "<!--trace-->";
/// What precedes the trace. The viewer looks for it when such a page is dropped on it.
const BEFORE: &str = "<template id=\"trace\">";
const AFTER: &str = "</template>";
/// The mark in the viewer's head that [`LIVE`] replaces, and how the viewer knows that a
/// server sent it.
const LIVE_PLACE: &str = "<!--live-->";
const LIVE: &str = "<meta name=\"pyebpf-live\" content=\"1\">";
/// The beginning of the viewer's content security policy, and the same for a page that may
/// ask its own server.
const POLICY: &str = "content=\"default-src 'none'; ";
const LIVE_POLICY: &str = "content=\"default-src 'none'; connect-src 'self'; ";

/// A sink for `.html`.
pub struct HtmlSink<'a, W: Write> {
    container: ContainerSink<'a, EncoderWriter<'static, base64::engine::GeneralPurpose, W>>,
}

impl<'a, W: Write> HtmlSink<'a, W> {
    /// Writes the page up to its trace.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn new(mut output: W, view: &'a TraceView<'a>) -> Result<Self, SinkError> {
        let (before, _) = halves();
        output.write_all(before.as_bytes())?;
        output.write_all(BEFORE.as_bytes())?;
        let encoder = EncoderWriter::new(output, &STANDARD);
        let container = ContainerSink::new(encoder, view)?;
        Ok(Self { container })
    }
}

/// Writes the page that shows what the server it comes from records, as it happens. It holds
/// no trace: it asks for `api/v1/…` beside its own address, and its policy lets it ask there
/// alone.
///
/// # Errors
/// Those of the output.
pub fn write_live_page(mut output: impl Write) -> io::Result<()> {
    let (head, body) = VIEWER.split_once(LIVE_PLACE).unwrap_or((VIEWER, ""));
    let (before, after) = head.split_once(POLICY).unwrap_or((head, ""));
    for part in [before, LIVE_POLICY, after, LIVE, body] {
        output.write_all(part.as_bytes())?;
    }
    Ok(())
}

/// The parts of the page before and after the trace.
fn halves() -> (&'static str, &'static str) {
    VIEWER.rsplit_once(PLACE).unwrap_or((VIEWER, ""))
}

impl<W: Write> TraceSink for HtmlSink<'_, W> {
    fn order(&self) -> Option<RowOrder> {
        self.container.order()
    }

    fn track(&mut self, track: TrackId) -> Result<(), SinkError> {
        self.container.track(track)
    }

    fn row(&mut self, row: &TimelineRow) -> Result<(), SinkError> {
        self.container.row(row)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        let mut encoder = self.container.end()?;
        let mut output = encoder.finish()?;
        output.write_all(AFTER.as_bytes())?;
        let (_, after) = halves();
        output.write_all(after.as_bytes())?;
        Ok(output.flush()?)
    }
}
