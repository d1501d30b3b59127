// SPDX-License-Identifier: MIT OR Apache-2.0

//! Made-up recordings for tests: the same samples as one file, and as chunks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::container::info::{
    Counts, Mode, ProcessCounts, RateChange, Summary, ThreadCpuTime, TraceInfo,
};
use crate::container::load::Trace;
use crate::container::writer::TraceWriter;
use crate::model::identifiers::{FrameId, KernelTime, ProcessIndex, StackId, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::row::{RowChange, State, TimelineRow, Weight};
use crate::model::symbols::{Frame, Symbols};
use crate::model::track::{ProcessInfo, Track, Tracks};
use crate::query::view::TraceView;

/// A small pseudorandom generator, which gives the same numbers in each run.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// What a thread was found doing at some time, in microseconds since the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) thread: usize,
    pub(super) time: u64,
    /// 0 for a gap.
    stack: u64,
    state: State,
    pub(super) count: u64,
    system: u64,
}

/// A recording: its samples, each later than the one of the same thread before.
pub(super) struct Recording {
    pub(super) samples: Vec<Sample>,
    pub(super) threads: usize,
    /// Its end, in microseconds.
    pub(super) end: u64,
    /// From when on samples come at twice the rate.
    faster: u64,
}

/// When every recording starts: on the clock of the kernel, and in Unix time.
pub(super) const START: u64 = 5_000_000_000_000;
pub(super) const UNIX_US: u64 = 1_790_000_000_000_000;
/// Threads of each process.
const THREADS: usize = 3;
const PERIOD: u64 = 100_000_000;

impl Recording {
    /// A recording of waits and runs of a few threads, in which waits become known when
    /// they are over.
    pub(super) fn random(seed: u64, threads: usize, end: u64) -> Self {
        let mut numbers = Numbers(seed);
        let mut samples = Vec::new();
        for thread in 0..threads {
            let mut time = numbers.below(end / 4);
            let mut last = (1, State::Io);
            while time < end {
                let running = numbers.below(3) > 0;
                let stack = 1 + numbers.below(12);
                let state = match running {
                    true => State::Running,
                    false => State::ALL[2 + numbers.below(8) as usize],
                };
                let count = 1 + numbers.below(4);
                // The end of a wait: its samples have no length of their own.
                if numbers.below(4) == 0 && last.1 != State::None {
                    let count = numbers.below(30);
                    samples.push(Sample {
                        thread,
                        time,
                        stack: last.0,
                        state: last.1,
                        count,
                        system: 0,
                    });
                }
                let system = if running { numbers.below(count + 1) } else { 0 };
                match numbers.below(9) {
                    0 => {
                        last = (0, State::None);
                        samples.push(Sample {
                            thread,
                            time,
                            stack: 0,
                            state: State::None,
                            count: 0,
                            system: 0,
                        });
                    }
                    1 if last.1 != State::None => {
                        samples.push(Sample {
                            thread,
                            time,
                            stack: last.0,
                            state: last.1,
                            count,
                            system,
                        });
                    }
                    _ => {
                        last = (stack, state);
                        samples.push(Sample {
                            thread,
                            time,
                            stack,
                            state,
                            count,
                            system,
                        });
                    }
                }
                time += numbers.below(700_000);
            }
        }
        samples.sort_by_key(|sample| sample.time);
        let faster = end / 3;
        Self {
            samples,
            threads,
            end,
            faster,
        }
    }

    fn unit(&self, time: u64) -> u64 {
        if time < self.faster {
            PERIOD
        } else {
            PERIOD / 2
        }
    }

    pub(super) fn info(&self) -> TraceInfo {
        TraceInfo {
            hz: 10,
            mode: Mode::Wall,
            host: "web-07".into(),
            start: KernelTime(START),
            unix_start_us: UNIX_US,
            command: vec!["pyebpf".into(), "--secret".into()],
            boot: "b7c2".into(),
            ..TraceInfo::default()
        }
    }

    /// The whole recording as one file.
    pub(super) fn whole(&self) -> Vec<u8> {
        self.part(0, self.end).finish()
    }

    /// The part between two times as a chunk.
    pub(super) fn chunk(&self, from: u64, to: u64) -> Vec<u8> {
        self.part(from, to).finish()
    }

    /// Chunks that are rotated at these times.
    pub(super) fn chunks(&self, times: &[u64]) -> Vec<Vec<u8>> {
        let starts = [0].into_iter().chain(times.iter().copied());
        let ends = times.iter().copied().chain([self.end]);
        starts
            .zip(ends)
            .map(|(from, to)| self.chunk(from, to))
            .collect()
    }

    fn part(&self, from: u64, to: u64) -> Part<'_> {
        let mut part = Part::begin(self, from, to);
        // What each thread did when the part begins.
        let mut before = vec![None; self.threads];
        for sample in self.samples.iter().filter(|sample| sample.time < from) {
            before[sample.thread] = Some(Sample {
                time: from,
                count: 0,
                system: 0,
                ..*sample
            });
        }
        for sample in before.into_iter().flatten() {
            if sample.stack != 0 {
                part.add(&sample, false);
            }
        }
        let is_last = to == self.end;
        for sample in &self.samples {
            if sample.time >= from && (sample.time < to || is_last) {
                part.add(sample, true);
            }
        }
        part
    }
}

/// A chunk that is being written.
struct Part<'a> {
    recording: &'a Recording,
    from: u64,
    to: u64,
    symbols: SymbolInterner,
    tracks: Tracks,
    writer: TraceWriter<Vec<u8>>,
    processes: BTreeMap<usize, ProcessIndex>,
    threads: BTreeMap<usize, TrackId>,
    last: BTreeMap<usize, (u64, State)>,
    counts: Counts,
    by_process: BTreeMap<usize, Counts>,
    times: BTreeMap<usize, [u64; 2]>,
    flushed: u64,
}

fn at(time: u64) -> KernelTime {
    KernelTime(START + time * 1000)
}

impl<'a> Part<'a> {
    fn begin(recording: &'a Recording, from: u64, to: u64) -> Self {
        let info = TraceInfo {
            start: at(from),
            unix_start_us: UNIX_US + from,
            carries_on: from > 0,
            ..recording.info()
        };
        Self {
            recording,
            from,
            to,
            symbols: SymbolInterner::default(),
            tracks: Tracks::default(),
            writer: TraceWriter::create(Vec::new(), &info).unwrap(),
            processes: BTreeMap::new(),
            threads: BTreeMap::new(),
            last: BTreeMap::new(),
            counts: Counts::new(),
            by_process: BTreeMap::new(),
            times: BTreeMap::new(),
            flushed: from,
        }
    }

    fn track(&mut self, thread: usize) -> TrackId {
        let number = thread / THREADS;
        let process = *self.processes.entry(number).or_insert_with(|| {
            self.tracks.add_process(ProcessInfo {
                pid: 800 + number as u32,
                start_time_ticks: 12_345,
                name: format!("app-{number}"),
                cmdline: format!("python app-{number}.py --secret"),
                uid: (number > 0).then_some(1000 + number as u32),
                ..ProcessInfo::default()
            })
        });
        *self.threads.entry(thread).or_insert_with(|| {
            self.tracks.add_track(Track {
                process,
                tid: 800 + thread as u32,
                ident: 7 << 40 | thread as u64,
                name: format!("worker-{thread}"),
            })
        })
    }

    /// A stack of a few frames.
    fn stack(&mut self, number: u64) -> StackId {
        let mut stack = StackId::EMPTY;
        let mut rest = number;
        while rest > 0 {
            let frame = Frame {
                file: self.symbols.string("/srv/app.py"),
                function: self.symbols.string(&format!("step_{}", rest % 5)),
                line: rest as u32,
                source: self.symbols.string("secret()"),
            };
            let frame = self.symbols.frame(frame);
            stack = self.symbols.stack(stack, frame);
            rest /= 2;
        }
        stack
    }

    fn add(&mut self, sample: &Sample, is_counted: bool) {
        if sample.time > self.flushed + 500_000 {
            self.flush(sample.time);
        }
        let track = self.track(sample.thread);
        let stack = self.stack(sample.stack);
        let row = (sample.stack, sample.state);
        let weight = Weight {
            system: sample.system,
            ..Weight::of_samples(self.recording.unit(sample.time), sample.count)
        };
        let is_same = self.last.insert(sample.thread, row) == Some(row);
        if is_same {
            self.writer.weigh(track, at(sample.time), weight);
        } else {
            let (time, state) = (at(sample.time), sample.state);
            self.writer.change(&RowChange {
                track,
                time,
                stack,
                state,
                weight,
            });
        }
        if is_counted {
            let process = self.by_process.entry(sample.thread / THREADS).or_default();
            for counts in [&mut self.counts, process] {
                for (name, more) in [("taken", sample.count), ("kernel_cpu_us", 3 * sample.count)] {
                    *counts.entry(name.into()).or_default() += more;
                }
                let behind = counts.entry("behind_us".into()).or_default();
                *behind = (*behind).max(sample.count);
            }
            let times = self.times.entry(sample.thread).or_default();
            times[0] += 70 * sample.count;
            times[1] += sample.system;
        }
    }

    fn summary(&mut self, end: u64) -> Summary {
        let processes = self
            .by_process
            .iter()
            .map(|(number, counts)| ProcessCounts {
                process: self.processes[number],
                counts: counts.clone(),
            });
        let threads = self
            .times
            .iter()
            .map(|(thread, [user_us, system_us])| ThreadCpuTime {
                track: self.threads[thread],
                user_us: *user_us,
                system_us: *system_us,
            });
        let faster = self.recording.faster;
        let time = at(faster.max(self.from));
        let rates = (faster <= end).then_some(RateChange {
            time,
            period: Duration::from_nanos(PERIOD / 2),
        });
        Summary {
            end: at(end),
            counts: self.counts.clone(),
            processes: processes.collect(),
            rates: rates.into_iter().collect(),
            threads: threads.collect(),
        }
    }

    fn flush(&mut self, now: u64) {
        self.flushed = now;
        let symbols = self.symbols.symbols();
        self.writer
            .flush(at(now), symbols, &mut self.tracks)
            .unwrap();
        if now.is_multiple_of(3) {
            let summary = self.summary(now);
            self.writer.account(&summary).unwrap();
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let summary = self.summary(self.to);
        let symbols = self.symbols.symbols();
        self.writer
            .finish(&summary, symbols, &mut self.tracks)
            .unwrap()
    }
}

/// A row with names instead of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedRow {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) stack: String,
    pub(super) state: State,
    pub(super) weight: Weight,
}

/// All rows of a view by thread, with times in microseconds of the kernel's clock.
pub(super) fn named(view: &TraceView<'_>) -> BTreeMap<String, Vec<NamedRow>> {
    let mut all = BTreeMap::new();
    for &id in view.tracks() {
        let (track, process) = view.thread(id).unwrap();
        let name = format!(
            "{} {} {} {}",
            process.pid, process.name, track.tid, track.name
        );
        let symbols = &view.trace().symbols;
        let rows = view.rows(id).map(|row| of_row(symbols, &row)).collect();
        assert!(all.insert(name, rows).is_none(), "a thread is there twice");
    }
    all
}

fn of_row(symbols: &Symbols, row: &TimelineRow) -> NamedRow {
    let mut frames: Vec<FrameId> = Vec::new();
    symbols.frames_of(row.stack, &mut frames);
    let frames = frames.iter().map(|frame| {
        let frame = symbols.frame(*frame).unwrap();
        format!("{}:{}", symbols.string(frame.function), frame.line)
    });
    NamedRow {
        start: row.start.0 / 1000,
        end: row.end.0 / 1000,
        stack: frames.collect::<Vec<_>>().join(";"),
        state: row.state,
        weight: match row.weight.is_zero() {
            true => Weight::ZERO,
            false => row.weight,
        },
    }
}

/// All rows of a whole trace.
pub(super) fn rows(trace: &Trace) -> BTreeMap<String, Vec<NamedRow>> {
    named(&TraceView::whole(trace))
}

/// The account of a trace with names instead of numbers.
pub(super) fn account(
    trace: &Trace,
) -> (Counts, BTreeMap<String, Counts>, BTreeMap<u32, [u64; 2]>) {
    let processes = trace.summary.processes.iter().map(|of| {
        let process = trace.tracks.process(of.process).unwrap();
        (process.name.clone(), of.counts.clone())
    });
    let used = trace.summary.threads.iter().filter(|of| of.cpu_us() > 0);
    let threads = used.map(|of| {
        let track = trace.tracks.track(of.track).unwrap();
        (track.tid, [of.user_us, of.system_us])
    });
    (
        trace.summary.counts.clone(),
        processes.collect(),
        threads.collect(),
    )
}

pub(super) type NamedRows = BTreeMap<String, Vec<NamedRow>>;

/// Fails with the first row that is not the expected one.
pub(super) fn assert_same(found: &NamedRows, expected: &NamedRows, what: &str) {
    assert!(
        found.keys().eq(expected.keys()),
        "{what}: {:?}, not {:?}",
        found.keys(),
        expected.keys()
    );
    for (thread, rows) in expected {
        let found = &found[thread];
        let other = found.iter().zip(rows).find(|(found, row)| found != row);
        assert!(other.is_none(), "{what}: {thread}: {other:#?}");
        assert_eq!(found.len(), rows.len(), "{what}: {thread}");
    }
}
