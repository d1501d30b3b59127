// SPDX-License-Identifier: MIT OR Apache-2.0

//! Flame graphs and flame charts as SVG, drawn by inferno. No more is drawn than the
//! pixels of a picture can show.

mod chart;
mod graph;
mod lines;

use std::io::Write;

use inferno::flamegraph::color::{MultiPalette, Palette};
use inferno::flamegraph::{Options, TextTruncateDirection, from_lines};

use crate::formats::flame::lines::Lines;
use crate::formats::sink::{Shape, SinkError, TraceSink};
use crate::query::labels;
use crate::query::view::TraceView;

/// The kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flame {
    /// Equal stacks are merged; the widest are where the time went.
    Graph,
    /// From left to right in time, one thread after the other.
    Chart,
}

/// A sink for `.svg` and `.flamechart.svg`.
pub struct FlameSvg<'a, W> {
    output: W,
    view: &'a TraceView<'a>,
    flame: Flame,
    shape: Shape,
}

impl<'a, W: Write> FlameSvg<'a, W> {
    /// A sink for the rows of `view`.
    #[must_use]
    pub fn new(output: W, view: &'a TraceView<'a>, flame: Flame, shape: Shape) -> Self {
        Self {
            output,
            view,
            flame,
            shape,
        }
    }
}

impl<W: Write> TraceSink for FlameSvg<'_, W> {
    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        let mut lines = match self.flame {
            Flame::Graph => graph::lines(self.view, self.shape),
            Flame::Chart => chart::lines(self.view),
        };
        if lines.is_empty() {
            // An empty view still gives a picture.
            lines.push("no samples", 1);
        }
        let mut options = options(self.view, self.flame, &lines);
        let mut output = self.output;
        from_lines(&mut options, lines.iter(), &mut output)?;
        Ok(output.flush()?)
    }
}

fn options(view: &TraceView<'_>, flame: Flame, lines: &Lines) -> Options<'static> {
    let info = &view.trace().info;
    let seconds = view.end().since(view.start()).as_secs_f64();
    let mut subtitle = format!(
        "{seconds:.1} s from {}, {} mode",
        humantime::format_rfc3339_seconds(
            std::time::UNIX_EPOCH
                + std::time::Duration::from_micros(
                    info.unix_microseconds(view.start()).min(LAST_DATE)
                )
        ),
        view.mode().name(),
    );
    if info.hz > 0 {
        subtitle.push_str(&format!(", {} Hz", info.hz));
    }
    if lines.left_out > 0 {
        subtitle.push_str(&format!(
            "; {} threads with the least time are left out",
            lines.left_out
        ));
    }
    let kind = match flame {
        Flame::Graph => "flame graph",
        Flame::Chart => "flame chart",
    };
    let title = match info.host.as_str() {
        "" => kind.to_owned(),
        host => format!("{kind} of {}", labels::plain(host)),
    };
    let mut options = Options::default();
    options.title = title;
    options.subtitle = Some(subtitle);
    options.count_name = "us".to_owned();
    options.colors = Palette::Multi(MultiPalette::Python);
    options.deterministic = true;
    options.flame_chart = flame == Flame::Chart;
    options.text_truncate_direction = TextTruncateDirection::Right;
    options
}

/// The last moment that is written as a date: the end of the year 9999, in microseconds
/// of Unix time.
const LAST_DATE: u64 = 253_402_300_799_000_000;
