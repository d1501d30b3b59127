// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes the recording of a made-up service, with as many rows, threads and
//! stacks as asked for; `--states` adds thread states. The same arguments
//! always give the same recording.

#![expect(clippy::unwrap_used, reason = "a tool of the tests")]

mod random;
mod service;

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use random::Random;
use sampler_trace::container::info::{Mode, Summary, TraceInfo};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{KernelTime, StackId};
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::track::{ProcessInfo, Track, Tracks};
use service::Service;

/// The start of the recording: nanoseconds of the kernel's clock and, below,
/// microseconds of Unix time.
const START: u64 = 5_000_000_000_000;
const UNIX_START_US: u64 = 1_790_000_000_000_000;
/// The length of a segment, as in a real recording.
const SEGMENT_MS: u64 = 2000;

struct Wanted {
    path: PathBuf,
    rows: u64,
    threads: u32,
    stacks: u32,
    hz: u32,
    states: bool,
    seed: u64,
}

impl Wanted {
    fn from_arguments() -> Option<Self> {
        let mut wanted = Self {
            path: PathBuf::new(),
            rows: 20_000,
            threads: 8,
            stacks: 2000,
            hz: 10,
            states: false,
            seed: 1,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next()?.parse::<u64>().ok();
            match argument.as_str() {
                "--rows" => wanted.rows = number()?,
                "--threads" => wanted.threads = u32::try_from(number()?).ok()?,
                "--stacks" => wanted.stacks = u32::try_from(number()?).ok()?,
                "--hz" => wanted.hz = u32::try_from(number()?).ok()?,
                "--seed" => wanted.seed = number()?,
                "--states" => wanted.states = true,
                path => wanted.path = path.into(),
            }
        }
        (wanted.path != PathBuf::new()).then_some(wanted)
    }
}

fn main() {
    let Some(wanted) = Wanted::from_arguments() else {
        eprintln!(
            "usage: synthetic [--rows N] [--threads N] [--stacks N] [--hz N] [--seed N] [--states] FILE"
        );
        std::process::exit(2);
    };
    let rows = write(&wanted);
    println!("{rows} rows in {}", wanted.path.display());
}

fn write(wanted: &Wanted) -> u64 {
    let mode = if wanted.states { Mode::Wall } else { Mode::Cpu };
    let info = TraceInfo {
        hz: wanted.hz,
        mode,
        host: "web-07".into(),
        kernel: "6.18.0".into(),
        start: KernelTime(START),
        unix_start_us: UNIX_START_US,
        program: "pyebpf 0.1.0".into(),
        command: vec!["pyebpf".into(), "--hz".into(), wanted.hz.to_string()],
        ..TraceInfo::default()
    };
    let output = BufWriter::new(File::create(&wanted.path).unwrap());
    let mut writer = TraceWriter::create(output, &info).unwrap();
    let mut random = Random::new(wanted.seed);
    let mut service = Service::new(&mut random, wanted.stacks);
    let mut tracks = tracks(wanted);
    let mut threads: Vec<_> = (0..wanted.threads)
        .map(|_| service.thread(&mut random))
        .collect();
    let period_us = 1_000_000 / u64::from(wanted.hz);
    let mut written = 0;
    // In CPU mode a gap is one row, whatever the thread did in it.
    let mut in_gap = vec![false; threads.len()];
    let mut segment = 0;
    let mut tick = 0;
    while written < wanted.rows {
        let time = KernelTime(START + tick * period_us * 1000);
        for ((number, thread), in_gap) in (0_u32..).zip(&mut threads).zip(&mut in_gap) {
            let Some((stack, state)) = service.step(thread, &mut random, tick) else {
                continue;
            };
            let (stack, state) = match state {
                _ if wanted.states => (stack, state),
                // In CPU mode a waiting thread has no stack.
                State::Running => (stack, state),
                _ => (StackId::EMPTY, State::None),
            };
            if std::mem::replace(in_gap, stack == StackId::EMPTY) && *in_gap {
                continue;
            }
            let track = sampler_trace::model::identifiers::TrackId(number);
            writer.change(&RowChange {
                track,
                time,
                stack,
                state,
                weight: weight(state, period_us),
            });
            written += 1;
        }
        tick += 1;
        if tick * period_us / 1000 / SEGMENT_MS > segment {
            segment = tick * period_us / 1000 / SEGMENT_MS;
            let until = KernelTime(START + tick * period_us * 1000);
            writer.flush(until, service.symbols(), &mut tracks).unwrap();
        }
    }
    let summary = Summary {
        end: KernelTime(START + tick * period_us * 1000),
        counts: [("samples".to_owned(), written)].into(),
        ..Summary::default()
    };
    writer
        .finish(&summary, service.symbols(), &mut tracks)
        .unwrap();
    written
}

/// Creates the processes and their threads, sixteen threads to a process.
fn tracks(wanted: &Wanted) -> Tracks {
    let mut tracks = Tracks::default();
    let names = ["gunicorn", "celery", "scheduler", "importer"];
    let mut process = None;
    for number in 0..wanted.threads {
        if number % 16 == 0 {
            let name = names[(number / 16) as usize % names.len()];
            process = Some(tracks.add_process(ProcessInfo {
                pid: 2000 + number,
                start_time_ticks: u64::from(number),
                name: name.into(),
                cmdline: format!("/srv/venv/bin/python -m {name} --config /etc/{name}.toml"),
                python: "3.12.1".into(),
                ..ProcessInfo::default()
            }));
        }
        let name = match number % 16 {
            0 => "MainThread".to_owned(),
            worker => format!("worker-{worker}"),
        };
        tracks.add_track(Track {
            process: process.unwrap(),
            tid: 2000 + number,
            ident: 0x7f00_0000_0000 + u64::from(number) * 0x10_0000,
            name,
        });
    }
    tracks
}

/// The weight of a row at one tick: a tick samples only running threads.
fn weight(state: State, period_us: u64) -> Weight {
    match state {
        State::Running => Weight::of_samples(period_us * 1000, 1),
        _ => Weight::ZERO,
    }
}
