// SPDX-License-Identifier: MIT OR Apache-2.0

//! Benchmarks of writing and reading the container.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use sampler_trace::container::load::read_bytes;

use crate::material::{ROWS, Service};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("container");
    group.throughput(Throughput::Elements(ROWS));
    group.sample_size(20);
    group.bench_function("write", |bencher| {
        bencher.iter_batched_ref(
            Service::new,
            |service| black_box(service.container()),
            BatchSize::LargeInput,
        );
    });
    let bytes = Service::new().container();
    group.bench_function("read", |bencher| {
        bencher.iter(|| read_bytes(black_box(&bytes)));
    });
    group.finish();
}
