// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compares each format's bytes with a file that a person has looked at. Run with
//! `PYEBPF_BLESS=1` to accept the new bytes, and read the difference.

use std::io::Read;
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use sampler_trace::container::info::Mode;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::write_view;
use sampler_trace::formats::format::Format;
use sampler_trace::formats::sink::{RowOrder, Shape};
use sampler_trace::query::view::TraceView;

use crate::sample_trace;

pub(crate) fn check(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    if std::env::var_os("PYEBPF_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_default();
    if let (Ok(golden), Ok(text)) = (str::from_utf8(&golden), str::from_utf8(bytes)) {
        similar_asserts::assert_eq!(golden: golden, written: text, "{name}");
        return;
    }
    let same = golden.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    assert!(
        golden == bytes,
        "{name} has {} bytes, its golden file {}; the first {same} are the same",
        bytes.len(),
        golden.len()
    );
}

/// Returns the bytes of a trace in a format.
pub(crate) fn written(trace: &Trace, format: Format, shape: Shape) -> Vec<u8> {
    let mut out = Vec::new();
    write_view(&TraceView::whole(trace), format, shape, &mut out).unwrap();
    out
}

pub(crate) fn json(trace: &Trace, order: RowOrder) -> Vec<u8> {
    let shape = Shape {
        order,
        ..Shape::default()
    };
    written(trace, Format::TimelineJson, shape)
}

#[test]
fn timeline_json_by_thread() {
    check(
        "by_thread.json",
        &json(&sample_trace::trace(Mode::Cpu), RowOrder::Thread),
    );
}

#[test]
fn timeline_json_by_time() {
    check(
        "by_time.json",
        &json(&sample_trace::trace(Mode::Cpu), RowOrder::Time),
    );
}

#[test]
fn timeline_json_with_states() {
    check(
        "wall.json",
        &json(&sample_trace::trace(Mode::Wall), RowOrder::Thread),
    );
}

/// The file also serves readers in other languages: ours and the page's may not be the
/// only ones.
#[test]
fn container_with_states() {
    check("wall.pyebpf", &sample_trace::container(Mode::Wall));
}

fn wall(format: Format) -> Vec<u8> {
    written(&sample_trace::trace(Mode::Wall), format, Shape::default())
}

#[test]
fn folded() {
    check("wall.folded", &wall(Format::Folded));
}

#[test]
fn folded_with_the_threads_of_a_process_together() {
    let shape = Shape {
        merge_threads: true,
        ..Shape::default()
    };
    let trace = sample_trace::trace(Mode::Wall);
    check("merged.folded", &written(&trace, Format::Folded, shape));
}

#[test]
fn flame_graph() {
    check("wall.svg", &wall(Format::FlameGraph));
}

#[test]
fn flame_chart() {
    check("wall.flamechart.svg", &wall(Format::FlameChart));
}

#[test]
fn speedscope() {
    check("wall.speedscope.json", &wall(Format::Speedscope));
}

#[test]
fn firefox() {
    check("wall.firefox.json", &wall(Format::Firefox));
}

#[test]
fn chrome() {
    check("wall.chrome.json", &wall(Format::Chrome));
}

/// Compares the bytes inside gzip, since the compressed ones depend on the version of
/// the compressor.
#[test]
fn pprof() {
    let mut unpacked = Vec::new();
    let packed = wall(Format::Pprof);
    MultiGzDecoder::new(packed.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    check("wall.pb", &unpacked);
}

#[test]
fn the_same_trace_gives_the_same_bytes() {
    for format in Format::ALL {
        assert!(wall(format) == wall(format), "{format:?}");
    }
}
