// SPDX-License-Identifier: MIT OR Apache-2.0

//! Benchmarks of finding the line of an instruction in each of the encodings, halfway
//! through a function of 200 lines.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use sampler_cpython::cpython::line_table::{LineTableKind, line_at};

const LINES: usize = 200;
/// Code units per line.
const UNITS: u8 = 4;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("line table");
    group.throughput(Throughput::Elements(1));
    // Pairs of steps: bytes of code, and lines.
    let pairs = [2 * UNITS, 1].repeat(LINES);
    // An entry without columns (kind 13): its length less one, then a step of one
    // line, whose sign is the lowest bit.
    let entries = [0x80 | 13 << 3 | (UNITS - 1), 1 << 1].repeat(LINES);
    let tables = [
        ("to 3.9", LineTableKind::Lnotab, &pairs),
        ("3.10", LineTableKind::Linetable310, &pairs),
        ("from 3.11", LineTableKind::Locations311, &entries),
    ];
    let middle = LINES as i32 / 2;
    let instruction = middle * i32::from(UNITS);
    for (name, kind, table) in tables {
        let line = line_at(kind, table, 1, instruction);
        assert!(
            line.is_some_and(|line| (line - middle).abs() <= 2),
            "{name}: {line:?}"
        );
        group.bench_function(name, |bencher| {
            bencher.iter(|| line_at(kind, black_box(table), 1, instruction));
        });
    }
    group.finish();
}
