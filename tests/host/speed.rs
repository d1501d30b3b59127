//! How fast and how small: a million rows of a plausible program. Its figures
//! mean something in a release build only:
//! `cargo test --release -p tests --test host speed -- --ignored --nocapture`.

use std::io;
use std::time::Instant;

use sampler_user::convert::write_view;
use sampler_user::output::{Format, Order, Shape, TraceView};
use sampler_user::timeline::{ProcessInfo, RowChange, StackId, State, Track};
use sampler_user::trace::{Mode, Summary, TraceWriter, read_bytes};

use crate::sample_trace::{Recording, at, info};

const THREADS: u32 = 64;
const ROWS: u64 = 1_000_000;

/// A small generator of numbers that are the same in each run.
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

/// Stacks of 5 to 20 frames over 3000 functions; each thread goes on from a
/// stack near its last.
fn synthetic() -> Vec<u8> {
    let mut numbers = Numbers(42);
    let mut recording = Recording::default();
    let names: Vec<_> = (0..3000)
        .map(|number| format!("function_{number}"))
        .collect();
    let stacks: Vec<StackId> = (0..5000)
        .map(|base| {
            let depth = 5 + base % 16;
            let path: Vec<_> = (0..depth)
                .map(|level| (names[((base / 7 + level * 13) % 3000) as usize].as_str(), 1))
                .collect();
            recording.stack(&path)
        })
        .collect();
    let process = recording.tracks.add_process(ProcessInfo::default());
    let tracks: Vec<_> = (0..THREADS)
        .map(|tid| {
            recording.tracks.add_track(Track {
                process,
                tid,
                ..Track::default()
            })
        })
        .collect();
    let mut writer = TraceWriter::create(Vec::new(), &info(Mode::Cpu)).unwrap();
    let mut at_stack = vec![0_u64; THREADS as usize];
    for tick in 0..ROWS / u64::from(THREADS) {
        for (&track, position) in tracks.iter().zip(&mut at_stack) {
            *position = (*position + 1 + numbers.below(20)) % 5000;
            let mut time = at(tick * 100);
            time.0 += numbers.below(200) * 1000;
            let idle = numbers.below(8) == 0;
            let stack = if idle {
                StackId::EMPTY
            } else {
                stacks[*position as usize]
            };
            writer.change(&RowChange {
                track,
                time,
                stack,
                state: State::implied_by(stack),
            });
        }
        if tick % 50 == 0 {
            let symbols = recording.interner.symbols();
            writer
                .flush(at(tick * 100), symbols, &mut recording.tracks)
                .unwrap();
        }
    }
    let summary = Summary {
        end: at(ROWS / u64::from(THREADS) * 100),
        ..Summary::default()
    };
    writer
        .finish(
            &summary,
            recording.interner.symbols(),
            &mut recording.tracks,
        )
        .unwrap()
}

/// Writes nowhere and counts.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "a measurement: needs a release build"]
fn a_million_rows_a_second() {
    let report = |what: &str, start: Instant, bytes: u64| {
        let rate = ROWS as f64 / start.elapsed().as_secs_f64();
        println!(
            "{what}: {:.2} M rows/s, {:.2} bytes/row",
            rate / 1e6,
            bytes as f64 / ROWS as f64
        );
        assert!(rate > 1e6, "{what} is too slow");
    };
    let start = Instant::now();
    let bytes = synthetic();
    report("make and write .pyebpf", start, bytes.len() as u64);
    assert!(bytes.len() as u64 <= 5 * ROWS);
    let start = Instant::now();
    let trace = read_bytes(&bytes).unwrap();
    report("read .pyebpf", start, bytes.len() as u64);
    for (what, format, order) in [
        ("write JSON by thread", Format::TimelineJson, Order::Thread),
        ("write JSON by time", Format::TimelineJson, Order::Time),
        ("rewrite .pyebpf", Format::Container, Order::Time),
    ] {
        let start = Instant::now();
        let mut count = Count(0);
        let shape = Shape {
            order,
            ..Shape::default()
        };
        write_view(&TraceView::whole(&trace), format, shape, &mut count).unwrap();
        report(what, start, count.0);
    }
    let view = TraceView::whole(&trace);
    let mut count = Count(0);
    write_view(&view, Format::TimelineJson, Shape::default(), &mut count).unwrap();
    let projected = sampler_user::output::projected_bytes(&view, Format::TimelineJson);
    println!("JSON projected {projected}, written {}", count.0);
    assert!(projected.abs_diff(count.0) * 20 < count.0);
}
