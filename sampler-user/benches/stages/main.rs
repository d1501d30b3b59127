// SPDX-License-Identifier: MIT OR Apache-2.0

//! Micro-benchmarks of what a sample goes through in user space, one file for each stage:
//! `cargo bench`. They start no process and read none; `cargo xtask bench` measures the
//! whole.

mod container;
mod decode;
mod formats;
mod intern;
mod line_tables;
mod material;

criterion::criterion_group!(
    stages,
    decode::bench,
    intern::bench,
    line_tables::bench,
    container::bench,
    formats::bench
);
criterion::criterion_main!(stages);
