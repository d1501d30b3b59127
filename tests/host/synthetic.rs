// SPDX-License-Identifier: MIT OR Apache-2.0

//! A large trace of a plausible program, for measurements: the same bytes each
//! time. Threads wander through one tree of calls, a few frames at a time, as
//! in samples of a busy service.

use std::io::Write;

use sampler_trace::container::info::{Mode, Summary};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{FrameId, StackId, TrackId};
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Frame;
use sampler_trace::model::track::{ProcessInfo, Track};

use crate::sample_trace::{SampleRecording, at, info};

/// The number of threads of the trace, eight in each process.
pub(crate) const THREADS: u64 = 64;
/// The number of distinct stacks; below, of the functions and files in them.
const STACKS: u64 = 50_000;
const FUNCTIONS: u64 = 3000;
const FILES: u64 = 200;
/// The number of frames that all stacks have in common; below, the most frames
/// of any stack.
const BASE: usize = 12;
const DEEPEST: u16 = 50;
/// Milliseconds between two samples.
const PERIOD: u64 = 10;

/// A small pseudorandom generator, which gives the same numbers in each run.
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

/// The calls that the program can make.
struct CallTree {
    stacks: Vec<StackId>,
    depths: Vec<u16>,
    parents: Vec<usize>,
    children: Vec<Vec<usize>>,
}

impl CallTree {
    fn grow(recording: &mut SampleRecording, numbers: &mut Numbers) -> Self {
        let frames: Vec<FrameId> = (0..FUNCTIONS * 3)
            .map(|number| frame(recording, number / 3, number % 3))
            .collect();
        let mut base = StackId::EMPTY;
        for frame in &frames[..BASE] {
            base = recording.interner.stack(base, *frame);
        }
        let mut tree = Self {
            stacks: vec![base],
            depths: vec![BASE as u16],
            parents: vec![0],
            children: vec![Vec::new()],
        };
        while (tree.stacks.len() as u64) < STACKS {
            // Mostly below a recent call, sometimes anywhere.
            let known = tree.stacks.len() as u64;
            let near = known - 1 - numbers.below(known.min(400));
            let parent = if numbers.below(20) == 0 {
                numbers.below(known)
            } else {
                near
            } as usize;
            if tree.depths[parent] >= DEEPEST {
                continue;
            }
            let frame = frames[numbers.below(frames.len() as u64) as usize];
            let stack = recording.interner.stack(tree.stacks[parent], frame);
            tree.children[parent].push(tree.stacks.len());
            tree.stacks.push(stack);
            tree.depths.push(tree.depths[parent] + 1);
            tree.parents.push(parent);
            tree.children.push(Vec::new());
        }
        tree
    }

    /// Goes a few frames outwards, and then a few inwards.
    fn wander(&self, mut node: usize, numbers: &mut Numbers) -> usize {
        for _ in 0..=numbers.below(4) {
            node = self.parents[node];
        }
        for _ in 0..=numbers.below(5) {
            let children = &self.children[node];
            if children.is_empty() {
                break;
            }
            node = children[numbers.below(children.len() as u64) as usize];
        }
        node
    }
}

fn frame(recording: &mut SampleRecording, function: u64, line: u64) -> FrameId {
    let file = format!(
        "/srv/app/lib/python3.12/site-packages/package_{}/module_{}.py",
        function % 20,
        function % FILES
    );
    let name = format!("Class{}.method_{function}", function % 97);
    let source = format!("result = self.method_{function}(argument, line={line})");
    let line = 10 + function % 500 + line;
    let interner = &mut recording.interner;
    let (file, function, source) = (
        interner.string(&file),
        interner.string(&name),
        interner.string(&source),
    );
    interner.frame(Frame {
        file,
        function,
        line: line as u32,
        source,
    })
}

fn threads(recording: &mut SampleRecording) -> Vec<TrackId> {
    let mut tracks = Vec::new();
    let mut process = None;
    for number in 0..THREADS {
        let pid = 1000 + number as u32 / 8 * 100;
        let tid = pid + number as u32 % 8;
        if tid == pid {
            process = None;
        }
        let process = *process.get_or_insert_with(|| {
            recording.tracks.add_process(ProcessInfo {
                pid,
                name: "gunicorn".into(),
                cmdline: "gunicorn app:main".into(),
                python: "3.12.1".into(),
                ..ProcessInfo::default()
            })
        });
        tracks.push(recording.tracks.add_track(Track {
            process,
            tid,
            ident: 140_007_464_703_744 + u64::from(tid),
            name: if tid == pid {
                "MainThread".into()
            } else {
                format!("worker-{}", number % 8)
            },
        }));
    }
    tracks
}

/// Returns the state that a tick sees a thread in.
fn next_state(numbers: &mut Numbers) -> State {
    match numbers.below(20) {
        0 | 1 => State::None,
        2 => State::WaitingForGil,
        3 => State::Io,
        4 => State::Lock,
        _ => State::Running,
    }
}

/// Writes a container with up to `rows` rows.
pub(crate) fn write(output: impl Write, rows: u64) {
    let mut numbers = Numbers(42);
    let mut recording = SampleRecording::default();
    let tree = CallTree::grow(&mut recording, &mut numbers);
    let tracks = threads(&mut recording);
    let mut info = info(Mode::Wall);
    info.hz = 100;
    let mut writer = TraceWriter::create(output, &info).unwrap();
    let mut nodes = vec![0; tracks.len()];
    let ticks = rows / THREADS;
    let end = at(ticks * PERIOD);
    for tick in 0..ticks {
        for (&track, node) in tracks.iter().zip(&mut nodes) {
            let before = *node;
            while *node == before {
                *node = tree.wander(*node, &mut numbers);
                if tree.children[*node].is_empty() && *node == before {
                    *node = 0;
                }
            }
            let state = next_state(&mut numbers);
            let stack = match state {
                State::None => StackId::EMPTY,
                _ => tree.stacks[*node],
            };
            let mut time = at(tick * PERIOD);
            time.0 += numbers.below(900) * 1000;
            writer.change(&RowChange {
                track,
                time,
                stack,
                state,
                weight: weight(state),
            });
        }
        if writer.wants_flush() || tick % 200 == 0 {
            let symbols = recording.interner.symbols();
            writer
                .flush(at(tick * PERIOD), symbols, &mut recording.tracks)
                .unwrap();
        }
    }
    let summary = Summary {
        end,
        ..Summary::default()
    };
    writer
        .finish(
            &summary,
            recording.interner.symbols(),
            &mut recording.tracks,
        )
        .unwrap();
}

/// The weight of a row at one tick: a tick samples only running threads.
fn weight(state: State) -> Weight {
    match state {
        State::Running => Weight::of_samples(PERIOD * 1_000_000, 1),
        _ => Weight::ZERO,
    }
}
