// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures how fast conversions are and how small their output is. The figures mean
//! something in a release build only: `cargo xtask build`, then
//! `cargo test --release -p tests --test host ten_million -- --ignored --nocapture`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use sampler_trace::container::load::read_bytes;
use sampler_trace::convert::write_view;
use sampler_trace::formats::format::Format;
use sampler_trace::formats::sink::Shape;
use sampler_trace::formats::size::projected_bytes;
use sampler_trace::query::view::TraceView;

use crate::synthetic;

/// The number of rows of the large trace.
const ROWS: u64 = 10_000_000;
/// The minimum speed of every format, in rows per second of CPU time.
const SLOWEST: f64 = 1e6;
/// The maximum resident memory of a conversion, in KiB.
const MEMORY: i64 = 300 * 1000 * 1000 / 1024;
/// The maximum CPU time of a report.
const REPORT: Duration = Duration::from_secs(3);

/// Returns where a large file goes.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Returns the path of the program under test.
fn program() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/pyebpf");
    std::env::var_os("PYEBPF_BIN").map_or(built, PathBuf::from)
}

/// The time that a run of the program took.
struct Took {
    /// Wall-clock time.
    elapsed: Duration,
    /// CPU time, which does not depend on what else the machine does.
    cpu: Duration,
}

fn run(arguments: &[&str], output: Stdio) -> Took {
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let time = usage.user_time() + usage.system_time();
        Duration::from_micros(time.num_microseconds() as u64)
    };
    let (start, before) = (Instant::now(), cpu());
    let status = Command::new(program())
        .args(arguments)
        .stdout(output)
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
    Took {
        elapsed: start.elapsed(),
        cpu: cpu() - before,
    }
}

/// Returns the most memory that any child had resident so far, in KiB.
fn peak() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss()
}

#[test]
#[ignore = "a measurement: needs a release build"]
fn ten_million_rows() {
    let path = scratch("ten-million.pyebpf");
    let start = Instant::now();
    synthetic::write(BufWriter::new(File::create(&path).unwrap()), ROWS);
    let bytes = path.metadata().unwrap().len();
    println!(
        "{ROWS} rows in {bytes} bytes, {:.2} a row, made in {:.1} s",
        bytes as f64 / ROWS as f64,
        start.elapsed().as_secs_f64()
    );
    let input = path.to_str().unwrap();
    let took = run(&["report", input], Stdio::null());
    println!(
        "report            {:>6.2} s ({:.2} s of a CPU), at most {} MiB",
        took.elapsed.as_secs_f64(),
        took.cpu.as_secs_f64(),
        peak() / 1024
    );
    let mut failures = Vec::new();
    if took.cpu > REPORT {
        failures.push(format!("report took {:?}", took.cpu));
    }
    for format in Format::ALL {
        let ending = format.extension();
        let took = run(
            &["convert", input, "-o", "-", "-f", ending, "--force"],
            Stdio::null(),
        );
        let rate = |took: Duration| ROWS as f64 / took.as_secs_f64();
        println!(
            "{ending:<17} {:>6.2} s, {:>5.2} M rows/s ({:.2} M for each s of a CPU), at most {} MiB so far",
            took.elapsed.as_secs_f64(),
            rate(took.elapsed) / 1e6,
            rate(took.cpu) / 1e6,
            peak() / 1024
        );
        if rate(took.cpu) < SLOWEST {
            failures.push(format!("{ending}: {:.0} rows a second", rate(took.cpu)));
        }
        if peak() > MEMORY {
            failures.push(format!("{ending}: {} KiB resident", peak()));
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Counts the bytes that are written.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn sizes_are_known_beforehand() {
    let mut container = Vec::new();
    synthetic::write(&mut container, 40_000);
    assert!(container.len() < 5_000_000, "{} bytes", container.len());
    let trace = read_bytes(&container).unwrap();
    let view = TraceView::whole(&trace);
    for (format, percent) in [
        (Format::TimelineJson, 5),
        (Format::Speedscope, 35),
        (Format::Firefox, 50),
        (Format::Chrome, 60),
    ] {
        let mut count = Count(0);
        write_view(&view, format, Shape::default(), &mut count).unwrap();
        let projected = projected_bytes(&view, format);
        println!("{format:?}: {projected} projected, {} written", count.0);
        let differs = projected.abs_diff(count.0) * 100 / count.0;
        assert!(
            differs <= percent,
            "{format:?}: {projected} projected, {} written",
            count.0
        );
    }
}
