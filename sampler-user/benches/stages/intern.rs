// SPDX-License-Identifier: MIT OR Apache-2.0

//! Benchmarks of interning strings, frames and stacks that were seen before, and frames
//! that are new.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use sampler_trace::model::identifiers::StackId;
use sampler_trace::model::intern::SymbolInterner;

use crate::material::{DEPTH, frame};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("intern");
    let mut interner = SymbolInterner::default();
    let frames: Vec<_> = (0..DEPTH)
        .map(|number| frame(&mut interner, number, 7))
        .collect();
    let stack = interner.stack_of(frames.iter().copied());

    group.throughput(Throughput::Elements(1));
    group.bench_function("string that is known", |bencher| {
        let name = "Class3.method_3";
        bencher.iter(|| interner.string(black_box(name)));
    });
    group.bench_function("frame on a stack that is known", |bencher| {
        let (parent, last) = (StackId(stack.0 - 1), frames[frames.len() - 1]);
        bencher.iter(|| interner.stack(black_box(parent), last));
    });
    group.throughput(Throughput::Elements(DEPTH));
    group.bench_function("stack that is known", |bencher| {
        bencher.iter(|| interner.stack_of(black_box(&frames).iter().copied()));
    });
    group.bench_function("frames that are new", |bencher| {
        bencher.iter_batched_ref(
            SymbolInterner::default,
            |interner| {
                for number in 0..DEPTH {
                    black_box(frame(interner, number, 7));
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
