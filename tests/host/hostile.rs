// SPDX-License-Identifier: MIT OR Apache-2.0

//! Malicious and damaged files, and files of the 2012 profiler.

use sampler_trace::container::info::Mode;
use sampler_trace::container::load::Trace;
use sampler_trace::convert::error::ConvertError;
use sampler_trace::convert::input::read_trace;
use sampler_trace::formats::json_reader::error::JsonError;
use sampler_trace::formats::json_reader::read_timeline_bytes;
use sampler_trace::formats::sink::RowOrder;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};

use crate::golden::json;
use crate::sample_trace::trace;

/// A file as the 2012 profiler wrote it, by Python's `json.dump`: nothing in it
/// names the writer.
const ORIGINAL: &str = r#"[[1352241181.539376, 140007464703744, "MainThread", [["/srv/a.py", 4, "<module>", "main()"], ["/srv/a.py", 31, "main", null]]], [1352241181.64, 140007464703744, "MainThread", []],
[1352241182.0, 140007464703744, "MainThread", [["/srv/\ud83d\udc0d\udce4.py", 4, "<module>", "main()"]]], [1352241199.120001, null, null, []]]"#;

fn rows(trace: &Trace, track: u32) -> Vec<(u64, u64, u16)> {
    let rows = trace.rows.rows(TrackId(track), trace.summary.end);
    rows.map(|row| {
        (
            row.start.0 / 1000,
            row.end.0 / 1000,
            trace.symbols.depth(row.stack),
        )
    })
    .collect()
}

#[test]
fn a_file_of_the_original_profiler_is_read() {
    let trace = read_timeline_bytes(ORIGINAL.as_bytes()).unwrap();
    assert_eq!(trace.info.unix_start_us, 1_352_241_181_539_376);
    assert_eq!(trace.info.mode, Mode::Wall);
    let expected = [
        (0, 100_624, 2),
        (100_624, 460_624, 0),
        (460_624, 17_580_625, 1),
    ];
    assert_eq!(rows(&trace, 0), expected);
    assert_eq!(trace.torn, None);
    let last = trace.rows.rows(TrackId(0), KernelTime(0)).last().unwrap();
    let frame = trace
        .symbols
        .stack(last.stack)
        .and_then(|node| trace.symbols.frame(node.frame));
    assert_eq!(
        trace.symbols.string(frame.unwrap().file),
        "/srv/🐍\u{fffd}.py"
    );
}

#[test]
fn a_json_cut_at_any_byte_yields_its_complete_rows() {
    let bytes = json(&trace(Mode::Cpu), RowOrder::Thread);
    let line_ends = bytes
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair == b",\n");
    let row_ends: Vec<_> = line_ends.map(|(at, _)| at).collect();
    for cut in 0..bytes.len() {
        let complete = row_ends.iter().filter(|&&end| end <= cut).count();
        match read_timeline_bytes(&bytes[..cut]) {
            Ok(trace) => {
                assert_eq!(trace.rows.len(), complete as u64, "{cut} bytes");
                let with_sentinel = cut >= bytes.len() - 3;
                assert_eq!(trace.torn.is_none(), with_sentinel, "{cut} bytes");
            }
            Err(JsonError::NoRows) => assert_eq!(complete, 0, "{cut} bytes"),
            Err(error) => panic!("{cut} bytes: {error}"),
        }
    }
}

#[test]
fn hostile_json_is_refused_or_bounded() {
    let open = "[".repeat(1 << 20);
    let nested = format!("[[1.0, 1, \"m\", [], {open}");
    let huge_line = "[[1, 1, \"m\", [[\"f\", 1e999, \"g\", \"\"]]]]";
    for (text, ok) in [
        ("", false),
        ("[]", false),
        ("[[1.0, null, null, []]]", true),
        ("{\"alert(1)\": 1}", false),
        (open.as_str(), false),
        (nested.as_str(), false),
        (huge_line, true),
        ("[[-1, 1, \"m\", []]]", false),
        ("[[1e300, 1, \"m\", []]]", false),
        ("[[nan, 1, \"m\", []]]", false),
        ("[[1, 1, \"m\", [[\"f\", 1]]]]", false),
        (
            "[[5, 1, \"m\", [[\"f\", 1, \"g\", \"\"]]], [4, 1, \"m\", []]]",
            true,
        ),
        (
            "[[1, \"7\", null, [[null, null, null, null, {\"a\": [1]}]], \"more\", 3], ",
            true,
        ),
        (
            "[[1, 1, \"m\", []], [2, null, null, [], {\"pyebpf\": \"no\"}]]",
            true,
        ),
    ] {
        let read = read_timeline_bytes(text.as_bytes());
        let shown: String = text.chars().take(60).collect();
        assert_eq!(read.is_ok(), ok, "{shown}: {:?}", read.err());
    }
}

#[test]
fn nonsense_in_the_sentinel_does_not_move_rows() {
    for threads in [
        "[{\"rows\":[0,9]}]",
        "[{\"rows\":[2,1]}]",
        "[{\"rows\":[0,2]},{\"rows\":[1,2]}]",
        "[{\"rows\":[0,18446744073709551615]}]",
    ] {
        let text = format!(
            "[[1, 1, \"a\", [[\"f\", 1, \"g\", \"\"]]], [2, 1, \"a\", []], [3, null, null, [], \
             {{\"pyebpf\":1,\"order\":\"thread\",\"threads\":{threads}}}]]"
        );
        let trace = read_timeline_bytes(text.as_bytes()).unwrap();
        assert_eq!(
            rows(&trace, 0),
            [(0, 1_000_000, 1), (1_000_000, 2_000_000, 0)],
            "{threads}"
        );
    }
}

#[test]
fn a_stack_without_end_is_cut() {
    let frame = "[\"f\", 1, \"g\", \"\"]";
    let text = format!(
        "[[1, 1, \"m\", [{}{frame}]]]",
        format!("{frame},").repeat(20_000)
    );
    let trace = read_timeline_bytes(text.as_bytes()).unwrap();
    let row = trace.rows.rows(TrackId(0), KernelTime(0)).next().unwrap();
    assert!(row.stack != StackId::EMPTY);
    assert_eq!(
        trace.symbols.depth(row.stack),
        sampler_trace::model::symbols::MAXIMUM_DEPTH
    );
}

#[test]
fn what_is_no_trace_is_named() {
    for bytes in [&b"hello"[..], b"", b"\x7fELF", b"{\"a\": 1}"] {
        assert!(matches!(read_trace(bytes), Err(ConvertError::NotATrace)));
    }
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0];
    assert!(matches!(
        read_trace(zstd.as_slice()),
        Err(ConvertError::Zstd)
    ));
    assert!(read_trace([0x1f, 0x8b, 8, 0].as_slice()).is_err());
}
