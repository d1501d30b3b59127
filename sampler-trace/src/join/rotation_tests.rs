// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recorder writes the same samples into one file and into chunks, which joined are that
//! file.

use std::time::Duration;

use crate::container::chunks::ChunkWriter;
use crate::container::info::{
    Counts, Mode, ProcessSummary, RateChange, Summary, ThreadCpuTime, TraceInfo,
};
use crate::container::load::Trace;
use crate::container::writer::TraceWriter;
use crate::join::joiner::Joiner;
use crate::join::options::JoinOptions;
use crate::join::samples::{Numbers, account, assert_same, rows};
use crate::model::builder::TimelineBuilder;
use crate::model::identifiers::{KernelTime, ProcessIndex, StackId, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::row::{RowChange, State, Weight};
use crate::model::symbols::Frame;
use crate::model::track::{ProcessInfo, Track, Tracks};

const MILLISECOND: u64 = 1_000_000;
const PERIOD: u64 = 100 * MILLISECOND;
const START: u64 = 77_000_000_000_300;
const UNIX_US: u64 = 1_790_000_000_000_000;

/// What a recorder has, with one writer of each kind.
struct Recorder {
    builder: TimelineBuilder,
    symbols: SymbolInterner,
    /// One for each writer, which takes what changed.
    tracks: [Tracks; 2],
    whole: TraceWriter<Vec<u8>>,
    chunks: ChunkWriter<Vec<u8>>,
    finished: Vec<Vec<u8>>,
    counts: Vec<Counts>,
    times: Vec<[u64; 2]>,
    rates: Vec<RateChange>,
    changes: Vec<RowChange>,
}

fn add(counts: &mut Counts, name: &str, more: u64) {
    *counts.entry(name.into()).or_default() += more;
}

impl Recorder {
    fn new(mode: Mode) -> Self {
        let period = Duration::from_nanos(PERIOD);
        let info = TraceInfo {
            hz: 10,
            mode,
            start: KernelTime(START),
            unix_start_us: UNIX_US,
            boot: "c0ffee".into(),
            ..TraceInfo::default()
        };
        Self {
            builder: match mode {
                Mode::Cpu => TimelineBuilder::new(period),
                _ => TimelineBuilder::without_gaps(period),
            },
            symbols: SymbolInterner::default(),
            tracks: [Tracks::default(), Tracks::default()],
            whole: TraceWriter::create(Vec::new(), &info).unwrap(),
            chunks: ChunkWriter::create(Vec::new(), &info).unwrap(),
            finished: Vec::new(),
            counts: Vec::new(),
            times: Vec::new(),
            rates: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn process(&mut self) -> ProcessIndex {
        let pid = 700 + self.counts.len() as u32;
        self.counts.push(Counts::new());
        let info = ProcessInfo {
            name: format!("app-{pid}"),
            start_time_ticks: u64::from(pid) * 7,
            uid: Some(pid),
            ..ProcessInfo::titled(pid, "")
        };
        let [a, b] = &mut self.tracks;
        let info = ProcessInfo {
            name: format!("app-{pid}"),
            ..info
        };
        a.add_process(info.clone());
        b.add_process(info)
    }

    fn thread(&mut self, process: ProcessIndex) -> TrackId {
        let tid = 1000 + self.times.len() as u32;
        self.times.push([0; 2]);
        let track = Track {
            process,
            tid,
            ident: 3 << 33,
            name: format!("worker-{tid}"),
        };
        let [a, b] = &mut self.tracks;
        a.add_track(track.clone());
        b.add_track(track)
    }

    fn stack(&mut self, number: u64) -> StackId {
        let frames = [number % 3, number % 7, number].map(|line| {
            let frame = Frame {
                function: self.symbols.string(&format!("f{line}")),
                line: line as u32,
                ..Frame::default()
            };
            self.symbols.frame(frame)
        });
        self.symbols.stack_of(frames)
    }

    fn write_changes(&mut self) {
        for change in self.changes.drain(..) {
            self.whole.change(&change);
            self.chunks.change(&change);
        }
    }

    fn sample(&mut self, track: TrackId, time: u64, number: u64, state: State, count: u64) {
        let stack = self.stack(number);
        let time = KernelTime(START + time);
        let is_in_time = self
            .builder
            .observe(track, time, stack, state, &mut self.changes);
        self.write_changes();
        if !is_in_time {
            return;
        }
        let weight = Weight {
            system: count.min(number % 2),
            ..Weight::of_samples(self.builder.period_at(time), count)
        };
        self.whole.weigh(track, time, weight);
        self.chunks.weigh(track, time, weight);
        let process = self.tracks[0].track(track).unwrap().process;
        let counts = &mut self.counts[process.index()];
        add(counts, "taken", count);
        add(counts, &format!("shown_{}", number % 2), count);
        let behind = counts.entry("behind_us".into()).or_default();
        *behind = (*behind).max(number);
        self.times[track.index()][usize::from(number.is_multiple_of(3))] += 90 * count;
    }

    fn change_rate(&mut self, time: u64, period: u64) {
        let change = RateChange {
            time: KernelTime(START + time),
            period: Duration::from_nanos(period),
        };
        self.builder.change_period(change.time, change.period);
        self.rates.push(change);
    }

    fn so_far(&self, end: KernelTime) -> Summary {
        let mut counts = Counts::new();
        for (name, count) in self.counts.iter().flatten() {
            match name.as_str() {
                "behind_us" => {
                    let most = counts.entry(name.clone()).or_default();
                    *most = *count.max(most);
                }
                _ => add(&mut counts, name, *count),
            }
        }
        let processes = self
            .counts
            .iter()
            .zip(0..)
            .map(|(counts, number)| ProcessSummary {
                process: ProcessIndex(number),
                counts: counts.clone(),
            });
        let threads = self
            .times
            .iter()
            .zip(0..)
            .map(|(times, number)| ThreadCpuTime {
                track: TrackId(number),
                user_us: times[0],
                system_us: times[1],
            });
        Summary {
            end,
            counts,
            processes: processes.collect(),
            rates: self.rates.clone(),
            threads: threads.collect(),
        }
    }

    fn flush(&mut self, now: u64, with_account: bool) {
        let now = KernelTime(START + now);
        self.builder.expire(now, &mut self.changes);
        self.write_changes();
        let settled = self.builder.settled(now).max(KernelTime(START));
        let summary = self.so_far(settled);
        let symbols = self.symbols.symbols();
        let [of_whole, of_chunks] = &mut self.tracks;
        self.whole.flush(settled, symbols, of_whole).unwrap();
        self.chunks.flush(settled, symbols, of_chunks).unwrap();
        if with_account {
            self.whole.account(&summary).unwrap();
            self.chunks.account(&summary, of_chunks).unwrap();
        }
        if self.chunks.is_due() {
            let at = self.chunks.rotates_at().unwrap();
            let unix = UNIX_US + (at.0 - START).div_ceil(1000);
            let chunks = &mut self.chunks;
            let finished = chunks.next_chunk(Vec::new(), unix, &summary, symbols, of_chunks);
            self.finished.push(finished.unwrap());
        }
    }

    /// Returns the whole file and the chunks.
    fn finish(mut self, end: u64) -> (Vec<u8>, Vec<Vec<u8>>) {
        let summary = self.so_far(KernelTime(START + end));
        let symbols = self.symbols.symbols();
        let [of_whole, of_chunks] = &mut self.tracks;
        let whole = self.whole.finish(&summary, symbols, of_whole).unwrap();
        let last = self.chunks.finish(&summary, symbols, of_chunks).unwrap();
        self.finished.push(last);
        (whole, self.finished)
    }
}

/// Records a few threads for some time, and rotates now and then.
fn recorded(seed: u64, mode: Mode) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut numbers = Numbers(seed);
    let mut recorder = Recorder::new(mode);
    let mut alive = Vec::new();
    for _ in 0..2 {
        let process = recorder.process();
        alive.extend((0..3).map(|_| recorder.thread(process)));
    }
    let ticks = 300;
    for tick in 0..ticks {
        let now = (tick + 1) * PERIOD;
        for &track in &alive {
            // Some ticks miss a thread, and some samples come late.
            if numbers.below(3) == 0 {
                continue;
            }
            let late = numbers.below(20) / 18 * PERIOD;
            let time = (now - numbers.below(PERIOD / 2)).saturating_sub(late);
            let state = match (mode, numbers.below(3)) {
                (Mode::Cpu, _) | (_, 0) => State::Running,
                (_, 1) => State::Lock,
                _ => State::Io,
            };
            let number = numbers.below(9);
            let count = match state {
                State::Running => 1,
                _ => numbers.below(12),
            };
            recorder.sample(track, time, number, state, count);
        }
        if numbers.below(40) == 0 {
            recorder.chunks.rotate_at(KernelTime(START + now));
        }
        if numbers.below(60) == 0 {
            let at = numbers.below(alive.len() as u64) as usize;
            let track = alive.swap_remove(at);
            let end = KernelTime(START + now);
            recorder
                .builder
                .end_track(track, end, &mut recorder.changes);
            recorder.write_changes();
            let process = recorder.tracks[0].track(track).unwrap().process;
            alive.push(recorder.thread(process));
        }
        if numbers.below(100) == 0 {
            recorder.change_rate(now, PERIOD / (1 + numbers.below(3)));
        }
        if tick % 20 == 0 {
            recorder.flush(now, numbers.below(3) == 0);
        }
    }
    recorder.flush(ticks * PERIOD, true);
    recorder.finish(ticks * PERIOD + PERIOD)
}

#[test]
fn rotated_chunks_are_the_file_that_was_not_rotated() {
    let mut rotations = 0;
    for seed in 0..12 {
        for mode in [Mode::Cpu, Mode::Wall] {
            let (whole, chunks) = recorded(seed, mode);
            rotations += chunks.len() - 1;
            let whole = Trace::read(&whole[..]).unwrap();
            let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
            for chunk in &chunks {
                // Each can be read alone.
                let alone = Trace::read(&chunk[..]).unwrap();
                assert!(alone.torn.is_none());
                joiner.add_chunk(&chunk[..]).unwrap();
            }
            let joined = Trace::read(&joiner.finish().unwrap()[..]).unwrap();
            assert_same(&rows(&joined), &rows(&whole), &format!("{seed} {mode:?}"));
            assert_eq!(account(&joined), account(&whole), "{seed} {mode:?}");
            let uids = |trace: &Trace| {
                let processes = trace.tracks.processes().iter();
                processes.map(|process| process.uid).collect::<Vec<_>>()
            };
            assert_eq!(uids(&joined), uids(&whole));
        }
    }
    assert!(rotations > 60, "{rotations}");
}

#[test]
fn a_chunk_has_only_what_it_uses() {
    let (whole, chunks) = recorded(11, Mode::Wall);
    let last = Trace::read(&chunks[chunks.len() - 1][..]).unwrap();
    let whole = Trace::read(&whole[..]).unwrap();
    assert!(chunks.len() > 2);
    assert!(last.tracks.tracks().len() < whole.tracks.tracks().len());
    assert!(last.symbols.stack_count() <= whole.symbols.stack_count());
    assert!(last.info.carries_on && last.info.start > whole.info.start);
    let since = (last.info.start.0 - whole.info.start.0) / 1000;
    assert_eq!(last.info.unix_start_us, UNIX_US + since);
}
