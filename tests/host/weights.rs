// SPDX-License-Identifier: MIT OR Apache-2.0

//! What rows count for: in every format, report and selection it is the number of a
//! thread's samples times the period, never the length of what is drawn.

use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use sampler_trace::analysis::Analysis;
use sampler_trace::container::info::{Mode, Summary};
use sampler_trace::container::load::{Trace, read_bytes};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::convert::ConvertOptions;
use sampler_trace::convert::selection::{Selection, TimePoint};
use sampler_trace::formats::format::Format;
use sampler_trace::formats::json_reader::read_timeline_bytes;
use sampler_trace::formats::sink::Shape;
use sampler_trace::model::builder::TimelineBuilder;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Frame;
use sampler_trace::model::track::{ProcessInfo, Track, Tracks};
use sampler_trace::query::aggregate::stack_times;
use sampler_trace::query::filter::RowFilter;
use sampler_trace::query::view::TraceView;
use serde_json::Value;

use crate::golden::written;
use crate::round_trip::converted;
use crate::sample_trace::{at, container, info};

/// The milliseconds between two ticks: ten ticks a second.
const PERIOD_MS: u64 = 100;
const TICKS: u64 = 100;

/// Returns the trace of a thread that runs at every other tick, in the kernel at every
/// fourth, as a recorder writes it: in CPU mode one row bridges all the ticks at which
/// it did not run.
fn every_other_tick(mode: Mode) -> Trace {
    let mut interner = SymbolInterner::default();
    let [file, function] = ["/srv/app.py", "work"].map(|text| interner.string(text));
    let frame = interner.frame(Frame {
        file,
        function,
        line: 3,
        ..Frame::default()
    });
    let stack = interner.stack(StackId::EMPTY, frame);
    let mut tracks = Tracks::default();
    let process = tracks.add_process(ProcessInfo {
        pid: 7,
        name: "app".into(),
        ..ProcessInfo::default()
    });
    let track = tracks.add_track(Track {
        process,
        tid: 7,
        ident: 9,
        name: "MainThread".into(),
    });
    let mut header = info(mode);
    header.hz = 10;
    let period = Duration::from_millis(PERIOD_MS);
    let mut builder = match mode {
        Mode::Cpu => TimelineBuilder::new(period),
        _ => TimelineBuilder::without_gaps(period),
    };
    let mut writer = TraceWriter::create(Vec::new(), &header).unwrap();
    let mut changes = Vec::new();
    for tick in 0..TICKS {
        let time = at(tick * PERIOD_MS);
        let runs = tick % 2 == 0;
        if runs || mode != Mode::Cpu {
            let state = if runs { State::Running } else { State::Io };
            builder.observe(track, time, stack, state, &mut changes);
        }
        changes.drain(..).for_each(|change| writer.change(&change));
        if runs {
            let weight = Weight {
                system: u64::from(tick % 4 == 0),
                ..Weight::of_samples(builder.period_at(time), 1)
            };
            writer.weigh(track, time, weight);
        }
        if tick % 20 == 19 {
            writer
                .flush(builder.settled(time), interner.symbols(), &mut tracks)
                .unwrap();
        }
    }
    let end = at(TICKS * PERIOD_MS);
    builder.end_track(track, end, &mut changes);
    changes.drain(..).for_each(|change| writer.change(&change));
    let summary = Summary {
        end,
        ..Summary::default()
    };
    let bytes = writer.finish(&summary, interner.symbols(), &mut tracks);
    read_bytes(&bytes.unwrap()).unwrap()
}

/// Returns the microseconds on a CPU, and how many of them in the kernel; checks that
/// all ways to sum them agree.
fn cpu_time(view: &TraceView<'_>) -> (u64, u64) {
    let analysis = Analysis::new(view);
    let times = stack_times(view, view.tracks());
    let running = times.iter().filter(|time| time.state == State::Running);
    let sum = running.map(|time| time.microseconds).sum::<u64>();
    assert_eq!(sum, analysis.times.running());
    let own: u64 = analysis.functions.iter().map(|of| of.own_running_us).sum();
    assert_eq!(own, sum);
    (sum, analysis.times.system())
}

fn json(trace: &Trace, format: Format) -> Value {
    serde_json::from_slice(&written(trace, format, Shape::default())).unwrap()
}

fn sum(list: &Value) -> f64 {
    let list = list.as_array().unwrap().iter();
    list.map(|number| number.as_f64().unwrap()).sum()
}

#[test]
fn a_row_over_missed_ticks_counts_for_its_samples() {
    let trace = every_other_tick(Mode::Cpu);
    let rows: Vec<_> = trace.rows.rows(TrackId(0), trace.summary.end).collect();
    assert_eq!(rows.len(), 2, "one row, and a gap: {rows:?}");
    assert_eq!(rows[0].microseconds(), 9_900_000, "it is drawn so long");
    assert_eq!(cpu_time(&TraceView::whole(&trace)), (5_000_000, 2_500_000));
}

#[test]
fn all_formats_add_up_to_the_samples() {
    let trace = every_other_tick(Mode::Cpu);
    let folded = written(&trace, Format::Folded, Shape::default());
    let folded = String::from_utf8(folded).unwrap();
    assert!(folded.trim_end().ends_with(" 5000000"), "{folded}");
    let svg = written(&trace, Format::FlameGraph, Shape::default());
    assert!(String::from_utf8(svg).unwrap().contains("5,000,000 us"));
    let speedscope = &json(&trace, Format::Speedscope)["profiles"][0];
    let samples = speedscope["samples"].as_array().unwrap().iter();
    let weights = speedscope["weights"].as_array().unwrap().iter();
    let weighed = samples.zip(weights);
    let [stack, gap] = [false, true].map(|empty| {
        let chosen = weighed
            .clone()
            .filter(|it| (it.0 == &Value::from([0; 0])) == empty);
        chosen.map(|it| it.1.as_u64().unwrap()).sum::<u64>()
    });
    assert_eq!((stack, gap), (5_000_000, 5_000_000));
    let firefox = &json(&trace, Format::Firefox)["threads"][0]["samples"];
    assert_eq!(sum(&firefox["weight"]), 5000.0);
    assert_eq!(sum(&firefox["threadCPUDelta"]), 5_000_000.0);
    let chrome = json(&trace, Format::Chrome);
    let slices = chrome["traceEvents"].as_array().unwrap().iter();
    let cpu = slices.filter_map(|slice| slice["tdur"].as_u64());
    assert_eq!(cpu.sum::<u64>(), 5_000_000);
    let timeline = json(&trace, Format::TimelineJson);
    let sentinel = &timeline.as_array().unwrap().last().unwrap()[4];
    assert_eq!(sum(&sentinel["cols"]["weight"]), 5_000_000.0);
    assert_eq!(sum(&sentinel["cols"]["system"]), 2_500_000.0);
}

#[test]
fn pprof_counts_samples() {
    let trace = every_other_tick(Mode::Cpu);
    let packed = written(&trace, Format::Pprof, Shape::default());
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed.as_slice())
        .read_to_end(&mut bytes)
        .unwrap();
    // The values 50 and 5,000,000,000 as packed varints, with the header of their field.
    let values = [0x12, 0x06, 50, 0x80, 0xe4, 0x97, 0xd0, 0x12];
    assert!(bytes.windows(values.len()).any(|at| at == values));
}

#[test]
fn weights_go_through_files_of_ours() {
    for mode in [Mode::Cpu, Mode::Wall] {
        let trace = every_other_tick(mode);
        let whole = cpu_time(&TraceView::whole(&trace));
        let bytes = written(&trace, Format::Container, Shape::default());
        let again = read_bytes(&bytes).unwrap();
        assert_eq!(cpu_time(&TraceView::whole(&again)), whole);
        let bytes = written(&trace, Format::TimelineJson, Shape::default());
        let again = read_timeline_bytes(&bytes).unwrap();
        assert_eq!(cpu_time(&TraceView::whole(&again)), whole);
    }
}

#[test]
fn a_part_has_its_part_of_the_samples() {
    let trace = every_other_tick(Mode::Cpu);
    let filter = RowFilter::default();
    let part = TraceView::new(&trace, at(0), at(4950), filter, |_| true);
    assert_eq!(cpu_time(&part), (2_500_000, 1_250_000));
}

#[test]
fn in_wall_mode_the_states_of_a_thread_add_up_to_its_life() {
    let trace = every_other_tick(Mode::Wall);
    let view = TraceView::whole(&trace);
    let times = Analysis::new(&view).times;
    assert_eq!(times.running(), 5_000_000);
    assert_eq!(times.total(), 10_000_000);
    let running_only = RowFilter {
        running_only: true,
        ..RowFilter::default()
    };
    let end = trace.summary.end;
    let view = TraceView::new(&trace, KernelTime(0), end, running_only, |_| true);
    assert_eq!(cpu_time(&view), (5_000_000, 2_500_000));
}

/// How long a thread waited is known only when it runs again, so its row may have no
/// length.
#[test]
fn a_row_without_a_length_keeps_its_weight_in_every_format() {
    let seen = every_other_tick(Mode::Wall);
    let mut tracks = Tracks::default();
    for process in seen.tracks.processes() {
        tracks.add_process(process.clone());
    }
    for track in seen.tracks.tracks() {
        tracks.add_track(track.clone());
    }
    let mut header = info(Mode::Wall);
    header.hz = 10;
    let mut writer = TraceWriter::create(Vec::new(), &header).unwrap();
    for (time, state, samples) in [
        (0, State::Running, 1),
        (100, State::Io, 3),
        (100, State::Running, 1),
    ] {
        writer.change(&RowChange {
            track: TrackId(0),
            time: at(time),
            stack: StackId(1),
            state,
            weight: Weight::of_samples(PERIOD_MS * 1_000_000, samples),
        });
    }
    let summary = Summary {
        end: at(500),
        ..Summary::default()
    };
    let bytes = writer.finish(&summary, &seen.symbols, &mut tracks);
    let trace = read_bytes(&bytes.unwrap()).unwrap();
    let waits = |trace: &Trace| {
        let times = Analysis::new(&TraceView::whole(trace)).times;
        (times.in_state(State::Io), times.running())
    };
    assert_eq!(waits(&trace), (300_000, 200_000));
    let again = written(&trace, Format::Container, Shape::default());
    assert_eq!(waits(&read_bytes(&again).unwrap()), (300_000, 200_000));
    let again = written(&trace, Format::TimelineJson, Shape::default());
    let again = read_timeline_bytes(&again).unwrap();
    assert_eq!(waits(&again), (300_000, 200_000));
    let folded = written(&trace, Format::Folded, Shape::default());
    let folded = String::from_utf8(folded).unwrap();
    assert!(folded.contains("[I/O] 300000"), "{folded}");
    let firefox = &json(&trace, Format::Firefox)["threads"][0]["samples"];
    assert_eq!(sum(&firefox["weight"]), 500.0);
    let speedscope = &json(&trace, Format::Speedscope)["profiles"][0];
    assert_eq!(sum(&speedscope["weights"]), 500_000.0);
}

#[test]
fn another_rate_stands_for_other_time() {
    let mut writer = TraceWriter::create(Vec::new(), &info(Mode::Cpu)).unwrap();
    let trace = every_other_tick(Mode::Cpu);
    let row = RowChange {
        track: TrackId(0),
        time: at(0),
        stack: StackId(1),
        state: State::Running,
        weight: Weight::ZERO,
    };
    writer.change(&row);
    for (time, period_ms, samples) in [(0, 10, 3), (400, 80, 2), (900, 10, 1)] {
        let weight = Weight::of_samples(period_ms * 1_000_000, samples);
        writer.weigh(TrackId(0), at(time), weight);
    }
    let summary = Summary {
        end: at(1000),
        ..Summary::default()
    };
    let mut tracks = Tracks::default();
    for process in trace.tracks.processes() {
        tracks.add_process(process.clone());
    }
    for track in trace.tracks.tracks() {
        tracks.add_track(track.clone());
    }
    let bytes = writer.finish(&summary, &trace.symbols, &mut tracks);
    let trace = read_bytes(&bytes.unwrap()).unwrap();
    let view = TraceView::whole(&trace);
    assert_eq!(cpu_time(&view), (200_000, 0));
    assert_eq!(
        view.rows(TrackId(0)).count(),
        1,
        "equal neighbours are one row"
    );
}

#[test]
fn a_part_in_time_has_no_cpu_time_of_the_whole() {
    let known = |trace: &Trace| {
        let counts = trace.summary.processes.iter().map(|of| &of.counts);
        let named = counts.filter(|counts| counts.contains_key("kernel_cpu_us"));
        (named.count(), trace.summary.threads.len())
    };
    let whole = read_bytes(&container(Mode::Wall)).unwrap();
    assert_eq!(known(&whole), (1, 1));
    for (ending, read) in [
        ("pyebpf", read_bytes as fn(&[u8]) -> _),
        ("json", |bytes| Ok(read_timeline_bytes(bytes).unwrap())),
    ] {
        for (to, expected) in [(None, (1, 1)), (Some(2), (0, 0))] {
            let options = ConvertOptions {
                selection: Selection {
                    to: to.map(|time| TimePoint::SinceStart(Duration::from_secs(time))),
                    ..Selection::default()
                },
                ..ConvertOptions::default()
            };
            let input = container(Mode::Wall);
            let mut files = converted(input.as_slice(), &format!("a.{ending}"), &options).unwrap();
            let part = read(&files.pop_first().unwrap().1).unwrap();
            assert_eq!(known(&part), expected, "{ending} {to:?}");
        }
    }
}

/// The file was written before rows had weights.
#[test]
fn a_file_without_weights_counts_lengths() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/before-weights.pyebpf");
    let old = read_bytes(&std::fs::read(path).unwrap()).unwrap();
    let new = read_bytes(&container(Mode::Wall)).unwrap();
    let rows = |trace: &Trace| -> Vec<_> {
        let view = TraceView::whole(trace);
        let rows = view.tracks().iter().flat_map(|&track| view.rows(track));
        rows.collect()
    };
    assert_eq!(rows(&old), rows(&new));
    assert!(rows(&old).iter().all(|row| {
        row.stack == StackId::EMPTY || row.weight == Weight::of_length(row.microseconds())
    }));
}
