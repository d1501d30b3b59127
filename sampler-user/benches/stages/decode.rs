// SPDX-License-Identifier: MIT OR Apache-2.0

//! Benchmarks of decoding the bytes of the ring buffer into checked records.

use std::hint::black_box;

use bytemuck::Zeroable;
use criterion::{BenchmarkId, Criterion, Throughput};
use sampler_common::code::{CodeHeader, RawText};
use sampler_common::sample::{CodeKey, RawFrame, RecordKind, SampleHeader};
use sampler_common::stop::StopReason;
use sampler_common::wait::Origin;
use sampler_user::capture::bpf::events::decode;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for depth in [1, 32, 1024] {
        let record = sample(depth);
        decode(&record).expect("it is what the kernel side sends");
        group.throughput(Throughput::Bytes(record.len() as u64));
        group.bench_function(BenchmarkId::new("sample", depth), |bencher| {
            bencher.iter(|| decode(black_box(&record)));
        });
    }
    let record = code();
    decode(&record).expect("it is what the kernel side sends");
    group.throughput(Throughput::Bytes(record.len() as u64));
    group.bench_function("code", |bencher| {
        bencher.iter(|| decode(black_box(&record)));
    });
    group.finish();
}

fn sample(depth: u32) -> Vec<u8> {
    let mut header = SampleHeader::zeroed();
    header.kind = RecordKind::Sample as u32;
    header.stop = StopReason::Complete as u32;
    header.wait.origin = Origin::OnCpu as u32;
    header.frame_count = depth;
    let mut record = bytemuck::bytes_of(&header).to_vec();
    for number in 0..depth {
        let frame = RawFrame {
            key: CodeKey(u64::from(number) * 0x9e37_79b9),
            code: 0x7f00_0000_0000 + u64::from(number) * 192,
            instruction: number as i32,
            line: 0,
        };
        record.extend(bytemuck::bytes_of(&frame));
    }
    record
}

fn code() -> Vec<u8> {
    let texts: [&[u8]; 3] = [
        b"/usr/lib/python3.12/concurrent/futures/thread.py",
        b"ThreadPoolExecutor._adjust_thread_count",
        &[0x81; 120],
    ];
    let text = |bytes: &[u8]| RawText {
        size: bytes.len() as u16,
        width: 1,
    };
    let mut header = CodeHeader::zeroed();
    header.kind = RecordKind::Code as u32;
    header.file_name = text(texts[0]);
    header.name = text(texts[1]);
    header.line_table_size = texts[2].len() as u32;
    let mut record = bytemuck::bytes_of(&header).to_vec();
    for text in texts {
        record.extend(text);
        record.resize(record.len().next_multiple_of(8), 0);
    }
    record
}
