// SPDX-License-Identifier: MIT OR Apache-2.0

//! Estimates how large a file will be, for a warning before it is written. It is not
//! exact where that would cost as much as writing the file.

use crate::formats::format::Format;
use crate::formats::timeline_json;
use crate::model::identifiers::StackId;
use crate::query::used::UsedStacks;
use crate::query::view::TraceView;

/// Bytes of a row in the columns of the Firefox Profiler's format.
const FIREFOX_ROW: u64 = 50;
/// Bytes of a row as trace events: three slices that end, of about 150 bytes each.
const CHROME_ROW: u64 = 450;

/// Estimates how many bytes the rows of a view need in a format before compression:
/// nearly exact for the timeline JSON, roughly for other JSON, 0 for formats whose
/// readers can handle any size.
#[must_use]
pub fn projected_bytes(view: &TraceView<'_>, format: Format) -> u64 {
    match format {
        Format::TimelineJson => timeline_json::projected(view),
        Format::Speedscope => speedscope(view),
        Format::Firefox => rows(view).saturating_mul(FIREFOX_ROW),
        Format::Chrome => rows(view).saturating_mul(CHROME_ROW),
        Format::Container
        | Format::Html
        | Format::Folded
        | Format::FlameGraph
        | Format::FlameChart
        | Format::Pprof => 0,
    }
}

fn rows(view: &TraceView<'_>) -> u64 {
    let tracks = view.tracks().iter();
    tracks.map(|&track| view.rows(track).count() as u64).sum()
}

/// Adds up a number and a comma for each frame of a row, and the row's weight.
fn speedscope(view: &TraceView<'_>) -> u64 {
    let symbols = &view.trace().symbols;
    let frames = UsedStacks::new(view, view.tracks()).frames(symbols);
    let mut lengths: Vec<u64> = vec![0; symbols.stack_count() as usize];
    for number in 1..symbols.stack_count() {
        let Some(node) = symbols.stack(StackId(number)) else {
            continue;
        };
        let digits = frames.of_frame(node.frame).checked_ilog10().unwrap_or(0) + 1;
        let callers = lengths.get(node.parent.index()).copied().unwrap_or(0);
        if let Some(length) = lengths.get_mut(number as usize) {
            *length = callers + u64::from(digits) + 1;
        }
    }
    let row = |stack: StackId| 8 + lengths.get(stack.index()).copied().unwrap_or(0);
    let tracks = view.tracks().iter();
    tracks
        .flat_map(|&track| view.rows(track))
        .map(|found| row(found.stack))
        .sum()
}
