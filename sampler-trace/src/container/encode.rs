// SPDX-License-Identifier: MIT OR Apache-2.0

//! Encodes the data of a segment from tables and runs.

use crate::container::run::RunWriter;
use crate::model::identifiers::{FrameId, ProcessIndex, StackId, StringId, TrackId};
use crate::model::symbols::{Frame, StackNode, Symbols, cut};
use crate::model::track::{ProcessInfo, ProcessPlace, Track, Tracks};
use crate::model::varint::put;

/// How many of the symbols are already in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenSymbols {
    strings: u32,
    frames: u32,
    stacks: u32,
}

impl Default for WrittenSymbols {
    fn default() -> Self {
        // The empty string and the empty stack are never written.
        Self {
            strings: 1,
            frames: 0,
            stacks: 1,
        }
    }
}

/// A segment of this size, in bytes, is closed and another one begun.
const FULL: usize = 8 << 20;

#[derive(Debug, Default)]
struct Section {
    count: u64,
    bytes: Vec<u8>,
}

impl Section {
    fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        encode(&mut self.bytes);
    }
}

/// A segment that is being built.
#[derive(Debug, Default)]
pub(super) struct SegmentEncoder {
    strings: Section,
    frames: Section,
    stacks: Section,
    processes: Section,
    tracks: Section,
    runs: Section,
    places: Section,
    weights: Section,
    owners: Section,
    rows: u64,
}

impl SegmentEncoder {
    /// Adds one symbol that is not written yet, in the order in which symbols may refer
    /// to each other. Returns `false` when there is none.
    pub(super) fn add_symbol(&mut self, symbols: &Symbols, written: &mut WrittenSymbols) -> bool {
        if written.strings < symbols.string_count() {
            let string = symbols.string(StringId(written.strings));
            self.strings.add(|out| put_text(out, string));
            written.strings += 1;
        } else if let Some(frame) = symbols.frame(FrameId(written.frames)) {
            self.frames.add(|out| put_frame(out, frame));
            written.frames += 1;
        } else if let Some(node) = symbols.stack(StackId(written.stacks)) {
            self.stacks.add(|out| put_stack(out, written.stacks, node));
            written.stacks += 1;
        } else {
            return false;
        }
        true
    }

    pub(super) fn add_process(&mut self, index: ProcessIndex, tracks: &Tracks) {
        if let Some(process) = tracks.process(index) {
            self.processes.add(|out| put_process(out, index, process));
            if process.place.is_known() {
                self.places.add(|out| put_place(out, index, &process.place));
            }
            if let Some(uid) = process.uid {
                self.owners.add(|out| put_owner(out, index, uid));
            }
        }
    }

    pub(super) fn add_track(&mut self, id: TrackId, tracks: &Tracks) {
        if let Some(track) = tracks.track(id) {
            self.tracks.add(|out| put_track(out, id, track));
        }
    }

    pub(super) fn add_run(&mut self, run: &RunWriter) {
        self.runs.add(|out| run.encode(out));
        self.weights.add(|out| run.encode_weights(out));
        self.rows += run.rows();
    }

    /// Whether the segment is large enough to be closed.
    pub(super) fn is_full(&self) -> bool {
        self.sections()
            .iter()
            .map(|section| section.bytes.len())
            .sum::<usize>()
            >= FULL
    }

    /// How many rows are in it.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the segment's data, whose rows are complete up to this many microseconds.
    pub(super) fn finish(&self, complete_until: u64) -> Vec<u8> {
        let mut data = Vec::new();
        put(&mut data, complete_until);
        let all = self.sections();
        // Without owners, a segment ends after the weights.
        let sections = match all.as_slice() {
            [others @ .., owners] if owners.count == 0 => others,
            all => all,
        };
        for section in sections {
            put(&mut data, section.count);
            data.extend(&section.bytes);
        }
        data
    }

    fn sections(&self) -> [&Section; 9] {
        let Self {
            strings,
            frames,
            stacks,
            processes,
            tracks,
            runs,
            places,
            weights,
            owners,
            ..
        } = self;
        [
            strings, frames, stacks, processes, tracks, runs, places, weights, owners,
        ]
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = cut(text);
    put(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn put_frame(out: &mut Vec<u8>, frame: Frame) {
    for number in [frame.file.0, frame.function.0, frame.line, frame.source.0] {
        put(out, u64::from(number));
    }
}

fn put_stack(out: &mut Vec<u8>, number: u32, node: StackNode) {
    put(out, u64::from(number - node.parent.0));
    put(out, u64::from(node.frame.0));
}

fn put_process(out: &mut Vec<u8>, index: ProcessIndex, process: &ProcessInfo) {
    for number in [
        u64::from(index.0),
        u64::from(process.pid),
        process.start_time_ticks,
    ] {
        put(out, number);
    }
    for text in [&process.name, &process.cmdline, &process.python] {
        put_text(out, text);
    }
}

fn put_place(out: &mut Vec<u8>, index: ProcessIndex, place: &ProcessPlace) {
    put(out, u64::from(index.0));
    put(out, u64::from(place.namespace_pid));
    put_text(out, &place.container);
    put_text(out, &place.cgroup);
}

fn put_owner(out: &mut Vec<u8>, index: ProcessIndex, uid: u32) {
    put(out, u64::from(index.0));
    put(out, u64::from(uid));
}

fn put_track(out: &mut Vec<u8>, id: TrackId, track: &Track) {
    let (low, high) = (track.ident & 0xffff_ffff, track.ident >> 32);
    for number in [
        u64::from(id.0),
        u64::from(track.process.0),
        u64::from(track.tid),
        low,
        high,
    ] {
        put(out, number);
    }
    put_text(out, &track.name);
}
