// SPDX-License-Identifier: MIT OR Apache-2.0

//! Benchmarks of converting a trace to each format.

use std::io;

use criterion::{Criterion, Throughput};
use sampler_trace::container::load::read_bytes;
use sampler_trace::convert::write_view;
use sampler_trace::formats::format::Format;
use sampler_trace::formats::sink::Shape;
use sampler_trace::query::view::TraceView;

use crate::material::{ROWS, Service};

const FORMATS: [(&str, Format); 10] = [
    (".json", Format::TimelineJson),
    (".pyebpf", Format::Container),
    (".html", Format::Html),
    (".folded", Format::Folded),
    (".svg", Format::FlameGraph),
    (".flamechart.svg", Format::FlameChart),
    (".speedscope.json", Format::Speedscope),
    (".firefox.json", Format::Firefox),
    (".chrome.json", Format::Chrome),
    (".pb.gz", Format::Pprof),
];

pub(crate) fn bench(criterion: &mut Criterion) {
    let trace = read_bytes(&Service::new().container()).expect("we wrote it");
    let view = TraceView::whole(&trace);
    let mut group = criterion.benchmark_group("format");
    group.throughput(Throughput::Elements(ROWS));
    group.sample_size(20);
    for (name, format) in FORMATS {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                write_view(&view, format, Shape::default(), io::sink())
                    .expect("nothing hinders a sink")
            });
        });
    }
    group.finish();
}
