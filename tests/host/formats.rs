// SPDX-License-Identifier: MIT OR Apache-2.0

//! What holds for every format, and traces at the edges: without threads,
//! without ids, compressed, in part.

use std::collections::HashSet;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use sampler_trace::container::info::Mode;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::ConvertOptions;
use sampler_trace::convert::input::read_trace;
use sampler_trace::convert::privacy::Privacy;
use sampler_trace::convert::selection::Selection;
use sampler_trace::formats::folded::read::{FoldedError, read_folded_bytes};
use sampler_trace::formats::format::Format;
use sampler_trace::formats::json_reader::read_timeline_bytes;
use sampler_trace::formats::sink::Shape;
use sampler_trace::model::row::State;
use sampler_trace::query::view::TraceView;
use serde_json::Value;

use crate::golden::written;
use crate::round_trip::converted;
use crate::sample_trace::{container, trace};

/// Three threads as the 2012 profiler wrote them, without pid and tid; two
/// share their ident and differ in name.
const ORIGINAL: &str = r#"[[100.0, 7, "a", [["x.py", 1, "f", ""]]], [100.5, 7, "b", [["x.py", 2, "g", ""]]],
[101.0, 8, "a", [["x.py", 1, "f", ""]]], [103.0, null, null, []]]"#;

fn json(trace: &Trace, format: Format) -> Value {
    serde_json::from_slice(&written(trace, format, Shape::default())).unwrap()
}

#[test]
fn threads_without_ids_are_told_apart() {
    let trace = read_timeline_bytes(ORIGINAL.as_bytes()).unwrap();
    let chrome = json(&trace, Format::Chrome);
    let events = chrome["traceEvents"].as_array().unwrap();
    let slices: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    let ids: HashSet<_> = slices
        .iter()
        .map(|event| (event["pid"].as_u64(), event["tid"].as_u64()))
        .collect();
    assert_eq!((slices.len(), ids.len()), (3, 3));
    let firefox = json(&trace, Format::Firefox);
    let threads = firefox["threads"].as_array().unwrap();
    let tids: HashSet<_> = threads.iter().map(|of| of["tid"].as_u64()).collect();
    assert_eq!(tids.len(), 3);
    let speedscope = json(&trace, Format::Speedscope);
    for profile in speedscope["profiles"].as_array().unwrap() {
        let weights = profile["weights"].as_array().unwrap().iter();
        let total: u64 = weights.map(|weight| weight.as_u64().unwrap()).sum();
        assert_eq!(total, 3_000_000, "every thread is on the whole clock");
    }
}

#[test]
fn a_trace_without_rows_is_written_in_every_format() {
    let trace = read_timeline_bytes(b"[[1.0, null, null, []]]").unwrap();
    for format in Format::ALL {
        let bytes = written(&trace, format, Shape::default());
        match format {
            Format::Chrome | Format::Firefox | Format::Speedscope | Format::TimelineJson => {
                serde_json::from_slice::<Value>(&bytes).unwrap();
            }
            Format::FlameGraph | Format::FlameChart => {
                assert!(String::from_utf8(bytes).unwrap().contains("no samples"));
            }
            Format::Folded => assert!(bytes.is_empty()),
            _ => assert!(!bytes.is_empty()),
        }
    }
}

#[test]
fn a_part_names_nothing_else() {
    let options = |thread: &str| ConvertOptions {
        selection: Selection {
            thread: Some(thread.parse().unwrap()),
            ..Selection::default()
        },
        ..ConvertOptions::default()
    };
    for ending in [
        "speedscope.json",
        "firefox.json",
        "chrome.json",
        "folded",
        "pb.gz",
    ] {
        let path = format!("a.{ending}");
        let input = container(Mode::Wall);
        let mut files = converted(input.as_slice(), &path, &options("Main")).unwrap();
        let mut bytes = files.pop_first().unwrap().1;
        if ending == "pb.gz" {
            let packed = std::mem::take(&mut bytes);
            MultiGzDecoder::new(packed.as_slice())
                .read_to_end(&mut bytes)
                .unwrap();
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("step"), "{ending}");
        assert!(!text.contains("lambda"), "{ending}: of a thread left out");
    }
}

#[test]
fn packed_files_hold_the_same_bytes() {
    for ending in [
        "json",
        "folded",
        "svg",
        "speedscope.json",
        "firefox.json",
        "chrome.json",
    ] {
        let one = |path: &str| {
            let options = ConvertOptions::default();
            let input = container(Mode::Wall);
            let files = converted(input.as_slice(), path, &options);
            files.unwrap().pop_first().unwrap().1
        };
        let packed = one(&format!("a.{ending}.gz"));
        let mut unpacked = Vec::new();
        MultiGzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(unpacked == one(&format!("a.{ending}")), "{ending}");
    }
}

#[test]
fn what_others_should_not_see_is_left_out() {
    let options = ConvertOptions {
        privacy: Privacy {
            no_source: true,
            no_command_line: true,
        },
        ..ConvertOptions::default()
    };
    let mut whole = Vec::new();
    for ending in ["json", "chrome.json", "pyebpf"] {
        let input = container(Mode::Cpu);
        let path = format!("a.{ending}");
        let mut files = converted(input.as_slice(), &path, &options).unwrap();
        let bytes = files.pop_first().unwrap().1;
        let trace = if ending == "pyebpf" {
            read_trace(bytes.as_slice()).unwrap()
        } else {
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                !text.contains("(job)") && !text.contains("--bind"),
                "{ending}"
            );
            assert!(!text.contains("--hz"), "{ending}");
            continue;
        };
        whole = written(&trace, Format::TimelineJson, Shape::default());
    }
    let text = String::from_utf8(whole).unwrap();
    assert!(text.contains("step") && !text.contains("(job)") && !text.contains("--bind"));
}

/// Returns the microseconds of each thread in each state.
fn times(trace: &Trace) -> Vec<(String, State, u64)> {
    let view = TraceView::whole(trace);
    let mut times: Vec<_> = view
        .tracks()
        .iter()
        .flat_map(|&track| view.rows(track))
        .filter(|row| row.state != State::None)
        .map(|row| (view.label(row.track), row.state, row.microseconds()))
        .collect();
    times.sort();
    let mut sums: Vec<(String, State, u64)> = Vec::new();
    for (label, state, time) in times {
        match sums.last_mut() {
            Some(last) if (&last.0, last.1) == (&label, state) => last.2 += time,
            _ => sums.push((label, state, time)),
        }
    }
    sums
}

#[test]
fn collapsed_stacks_keep_names_states_and_times() {
    let first = trace(Mode::Wall);
    let text = written(&first, Format::Folded, Shape::default());
    let again = read_trace(text.as_slice()).unwrap();
    assert_eq!(again.info.mode, Mode::Wall);
    let plain = |times: Vec<(String, State, u64)>| -> Vec<_> {
        // The format writes line breaks in names as escapes.
        let named = times.into_iter();
        named
            .map(|(label, state, time)| (label.replace('\n', "\\n"), state, time))
            .collect()
    };
    assert_eq!(times(&again), plain(times(&first)));
    assert_eq!(
        written(&again, Format::Folded, Shape::default()).len(),
        text.len()
    );
}

#[test]
fn hostile_collapsed_stacks_are_refused_or_bounded() {
    let deep = format!("{} 1\n", vec!["f"; 20_000].join(";"));
    let deep = read_folded_bytes(deep.as_bytes()).unwrap();
    let row = deep
        .rows
        .rows(deep.rows.tracks()[0], deep.summary.end)
        .next();
    let depth = deep.symbols.depth(row.unwrap().stack);
    assert_eq!(depth, sampler_trace::model::symbols::MAXIMUM_DEPTH);
    let huge = u64::MAX.to_string();
    let error = |text: &str| read_folded_bytes(text.as_bytes()).unwrap_err();
    assert!(matches!(
        error(&format!("a {huge}\n")),
        FoldedError::TooMuch { line: 1 }
    ));
    assert!(matches!(error("a 1\nb\n"), FoldedError::Syntax { line: 2 }));
    let endless = "a;".repeat(9 << 20);
    assert!(matches!(error(&endless), FoldedError::TooLong { line: 1 }));
    for text in [
        "",
        "\n \n",
        "a;b 0\n",
        "\u{feff}a 1\n",
        ";;; 1\n",
        "process 1:\"x\" 5\n",
    ] {
        read_folded_bytes(text.as_bytes()).unwrap();
    }
    let invalid = read_folded_bytes(b"f\xff;g 3\n").unwrap();
    assert_eq!(invalid.rows.len(), 1);
}
