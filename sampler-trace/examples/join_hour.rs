// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures how long it takes to join an hour of chunks of a busy host, and how much memory:
//! `cargo run --release -p sampler-trace --example join_hour`.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement, in which nothing may fail"
)]

use std::io::Write;
use std::time::{Duration, Instant};

use sampler_trace::container::info::{Mode, Summary, TraceInfo};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::join::joiner::Joiner;
use sampler_trace::join::options::JoinOptions;
use sampler_trace::model::identifiers::{FrameId, KernelTime, StackId, TrackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Frame;
use sampler_trace::model::track::{ProcessInfo, Track, Tracks};

const THREADS: u32 = 500;
const MINUTES: u64 = 60;
const STACKS: u64 = 20_000;
const PERIOD: u64 = 100_000_000;
const START: u64 = 5_000_000_000_000;
const UNIX_US: u64 = 1_790_000_000_000_000;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// Counts what is written.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn stacks(symbols: &mut SymbolInterner, numbers: &mut Numbers) -> Vec<StackId> {
    let frames: Vec<FrameId> = (0..6000)
        .map(|number| {
            let frame = Frame {
                file: symbols.string(&format!("/srv/app/package/module_{}.py", number % 300)),
                function: symbols.string(&format!("Class.method_{}", number / 2)),
                line: 10 + number,
                source: symbols.string(&format!("value = self.method_{number}(argument)")),
            };
            symbols.frame(frame)
        })
        .collect();
    let mut stacks = vec![symbols.stack(StackId::EMPTY, frames[0])];
    while (stacks.len() as u64) < STACKS {
        let recent = stacks.len() as u64;
        let parent = stacks[(recent - 1 - numbers.below(recent.min(900))) as usize];
        if symbols.symbols().depth(parent) < 40 {
            let frame = frames[numbers.below(frames.len() as u64) as usize];
            stacks.push(symbols.stack(parent, frame));
        }
    }
    stacks
}

/// The threads of a host, twenty in each process.
fn threads() -> Tracks {
    let mut tracks = Tracks::default();
    let mut process = None;
    for number in 0..THREADS {
        if number.is_multiple_of(20) {
            process = Some(tracks.add_process(ProcessInfo {
                start_time_ticks: 99,
                ..ProcessInfo::titled(1000 + number, "gunicorn")
            }));
        }
        tracks.add_track(Track {
            process: process.unwrap(),
            tid: 1000 + number,
            ident: 7 << 40 | u64::from(number),
            name: format!("worker-{number}"),
        });
    }
    tracks
}

/// An hour of a host in which a sixth of the threads are found with another stack or state
/// each tick. Each chunk begins with the last row of each thread.
fn chunks() -> (Vec<Vec<u8>>, u64) {
    let mut numbers = Numbers(7);
    let mut last: Vec<(u64, State)> = vec![(0, State::Running); THREADS as usize];
    let mut rows = 0;
    let chunks = (0..MINUTES).map(|minute| {
        let mut symbols = SymbolInterner::default();
        // They are the same in each chunk, and a minute uses nearly all.
        let stacks = stacks(&mut symbols, &mut Numbers(11));
        let mut tracks = threads();
        let info = TraceInfo {
            hz: 10,
            mode: Mode::Wall,
            start: KernelTime(START + minute * 600 * PERIOD),
            unix_start_us: UNIX_US + minute * 60_000_000,
            boot: "b".into(),
            carries_on: minute > 0,
            ..TraceInfo::default()
        };
        let mut writer = TraceWriter::create(Vec::new(), &info).unwrap();
        let row = |thread: u32, tick: u64, (stack, state): (u64, State), samples| RowChange {
            track: TrackId(thread),
            time: KernelTime(info.start.0 + tick * PERIOD),
            stack: stacks[stack as usize],
            state,
            weight: Weight::of_samples(PERIOD, samples),
        };
        for (thread, &last) in (0..).zip(&last) {
            writer.change(&row(thread, 0, last, 0));
        }
        for tick in 1..=600 {
            for (thread, last) in (0..).zip(&mut last) {
                if numbers.below(6) > 0 {
                    let again = row(thread, tick, *last, 1);
                    writer.weigh(again.track, again.time, again.weight);
                    continue;
                }
                rows += 1;
                let states = [State::Running, State::Io, State::Lock, State::Sleeping];
                *last = (numbers.below(STACKS), states[numbers.below(4) as usize]);
                writer.change(&row(thread, tick, *last, 1));
            }
            if tick % 20 == 0 {
                let now = KernelTime(info.start.0 + tick * PERIOD);
                writer.flush(now, symbols.symbols(), &mut tracks).unwrap();
            }
        }
        let summary = Summary {
            end: KernelTime(info.start.0 + 600 * PERIOD),
            ..Summary::default()
        };
        let chunk = writer.finish(&summary, symbols.symbols(), &mut tracks);
        chunk.unwrap()
    });
    (chunks.collect(), rows)
}

/// The most memory that this process has used, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    number.unwrap_or(0) / 1024
}

fn measured(chunks: &[std::path::PathBuf], what: &str, options: JoinOptions) {
    let begun = Instant::now();
    let mut joiner = Joiner::new(Counted(0), options);
    let mut bytes = 0;
    for chunk in chunks {
        let file = std::fs::File::open(chunk).unwrap();
        bytes += file.metadata().unwrap().len();
        joiner.add_chunk(file).unwrap();
    }
    let tables = joiner.bytes_in_memory();
    let written = joiner.finish().unwrap().0;
    let seconds = begun.elapsed().max(Duration::from_millis(1)).as_secs_f64();
    println!(
        "{what}: {:.1} MB in, {:.1} MB out, {seconds:.2} s, {:.1} MB/s; tables {:.1} MB, peak of the process {} MB",
        bytes as f64 / 1e6,
        written as f64 / 1e6,
        bytes as f64 / 1e6 / seconds,
        tables as f64 / 1e6,
        peak()
    );
}

fn main() {
    let directory = std::env::temp_dir().join("pyebpf-join-hour");
    if std::env::args().nth(1).as_deref() == Some("write") {
        std::fs::create_dir_all(&directory).unwrap();
        let (chunks, rows) = chunks();
        for (number, chunk) in chunks.iter().enumerate() {
            std::fs::write(directory.join(format!("{number:08}.pyebpf")), chunk).unwrap();
        }
        println!("{rows} rows in {} chunks", chunks.len());
        return;
    }
    // Written by another process, so that this one has the memory of the joiner alone.
    let own = std::env::current_exe().unwrap();
    let status = std::process::Command::new(own).arg("write").status();
    assert!(status.unwrap().success());
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let middle = UNIX_US + MINUTES * 30_000_000;
    let ten_minutes = JoinOptions {
        from_us: Some(middle),
        to_us: Some(middle + 600_000_000),
        ..JoinOptions::default()
    };
    measured(&files[30..41], "ten minutes", ten_minutes);
    measured(&files, "an hour", JoinOptions::default());
    std::fs::remove_dir_all(&directory).unwrap();
}
