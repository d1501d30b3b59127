// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes any timeline in every format and as a report: twice the same bytes and no
//! panic, whatever the names and times are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_trace::analysis::Analysis;
use sampler_trace::convert::write_view;
use sampler_trace::formats::format::Format;
use sampler_trace::formats::sink::Shape;
use sampler_trace::query::view::TraceView;
use sampler_trace::formats::size::projected_bytes;
use sampler_trace::formats::json_reader::read_timeline_bytes;

fuzz_target!(|file: &[u8]| {
    let Ok(trace) = read_timeline_bytes(file) else {
        return;
    };
    let view = TraceView::whole(&trace);
    for format in Format::ALL {
        let written = || {
            let mut out = Vec::new();
            write_view(&view, format, Shape::default(), &mut out).map(|()| out)
        };
        let bytes = written().expect("memory takes all");
        assert!(bytes == written().expect("memory takes all"), "{format:?}");
        let _ = projected_bytes(&view, format);
        let text = std::str::from_utf8(&bytes);
        if !matches!(format, Format::Container | Format::Pprof) {
            let text = text.expect("a format of text is UTF-8");
            assert!(
                !text.contains('\0') && !text.contains('\u{202e}'),
                "{format:?}"
            );
        }
    }
    let analysis = Analysis::new(&view);
    let _ = analysis.to_json().expect("texts and numbers are JSON");
    let text = analysis.report(5).to_string();
    assert!(!text.contains('\u{1b}'));
    let own: u64 = analysis.functions.iter().map(|of| of.own_us).sum();
    assert_eq!(own, analysis.times.total());
});
