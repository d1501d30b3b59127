// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads any bytes as collapsed stacks: returns an error, or a trace that keeps its time
//! when it is written in that format and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_trace::convert::write_view;
use sampler_trace::formats::format::Format;
use sampler_trace::formats::sink::Shape;
use sampler_trace::query::view::TraceView;
use sampler_trace::formats::folded::read::read_folded_bytes;
use sampler_trace::container::load::Trace;

fuzz_target!(|file: &[u8]| {
    let Ok(trace) = read_folded_bytes(file) else {
        return;
    };
    let once = folded(&trace);
    if let Ok(again) = read_folded_bytes(&once) {
        assert_eq!(time(&again), time(&trace));
    } else {
        assert!(once.is_empty());
    }
});

fn folded(trace: &Trace) -> Vec<u8> {
    let mut out = Vec::new();
    let view = TraceView::whole(trace);
    write_view(&view, Format::Folded, Shape::default(), &mut out).expect("memory takes all");
    out
}

/// Microseconds with a stack, over all threads.
fn time(trace: &Trace) -> u64 {
    let view = TraceView::whole(trace);
    let rows = view.tracks().iter().flat_map(|&track| view.rows(track));
    rows.filter(|row| row.stack.0 != 0)
        .map(|row| row.microseconds())
        .sum()
}
