// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chains that no frozen process has, made by hand: deeper than a sample holds, without
//! a single Python frame, circular at any place, or with frames of compiled code.

use sampler_common::layout::{ABSENT, EntryKind, FrameHead, InstructionKind};
use sampler_common::memory::{MemoryFault, UserMemory};
use sampler_common::process::{
    CodeGeneration, GilPlace, LifePlace, ProcessConfig, ProcessKey, ProcessState,
    ThreadSpecificData,
};
use sampler_common::sample::MAX_FRAMES;
use sampler_common::stop::StopReason;
use sampler_cpython::cpython::layout_row::LayoutRow;
use sampler_cpython::cpython::layout_table::row;
use sampler_cpython::cpython::version::PythonVersion;
use tests::frozen::replay::{Replay, replay};

use crate::case::MAX_READS;

const BASE: u64 = 0x100_0000;
const RUNTIME: u64 = BASE;
const INTERPRETER: u64 = BASE + 0x4000;
const THREAD: u64 = BASE + 0x6000;
const CFRAME: u64 = BASE + 0x7000;
const CODE: u64 = BASE + 0x8000;
const NAME: u64 = BASE + 0x9000;
const TABLE: u64 = BASE + 0xa000;
const FRAMES: u64 = BASE + 0xb000;
/// The distance from one frame to the next.
const STRIDE: u64 = 512;
const CODE_TYPE: u64 = 0x5000;
const THREAD_POINTER: u64 = 0x7f00_0000_0740;
/// The distance from a frame back to its own frame object.
const OBJECT: u64 = 104;
/// The line of the innermost compiled frame; the frames outside it have the next ones.
const LINE: u64 = 7000;
/// The number of code units of the only code object: every frame is at another one.
const UNITS: u64 = 1 << 16;
/// `PyUnicode_1BYTE_KIND`, compact, ASCII, as in `PyASCIIObject.state`.
const ASCII_STATE: u64 = (1 | 1 << 3 | 1 << 4) << 2;

/// The kind of a frame in a made chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Python,
    Entry,
    /// A Python frame inside its own frame object, as compiled code has it.
    Compiled,
}

/// The memory of a process with one thread.
struct Synthetic {
    bytes: Vec<u8>,
    row: LayoutRow,
    reads: std::cell::Cell<u64>,
}

impl UserMemory for Synthetic {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        self.reads.set(self.reads.get() + 1);
        let start = address.checked_sub(BASE).map(|start| start as usize);
        let source = start.and_then(|start| {
            let end = start.checked_add(destination.len())?;
            self.bytes.get(start..end)
        });
        destination.copy_from_slice(source.ok_or(MemoryFault { address })?);
        Ok(())
    }
}

impl Synthetic {
    /// Returns a process with one thread of Python 3.`minor`, with these frames,
    /// innermost first.
    fn new(minor: u8, chain: &[Made]) -> Self {
        let row = *row(PythonVersion::minor_only(3, minor)).expect("it is supported");
        let size = FRAMES - BASE + STRIDE * (chain.len() as u64 + 1);
        let mut process = Self {
            bytes: vec![0; size as usize],
            row,
            reads: Default::default(),
        };
        let layout = row.layout;
        process.set(RUNTIME, layout.runtime.interpreters_head, INTERPRETER);
        process.set(INTERPRETER, layout.runtime.interp_threads_head, THREAD);
        process.set(THREAD, layout.thread.thread_id, THREAD_POINTER);
        process.set(THREAD, layout.thread.interp, INTERPRETER);
        if layout.thread.head_kind == FrameHead::CFrame as u8 {
            process.set(THREAD, layout.thread.frame_head, CFRAME);
            process.set(CFRAME, layout.thread.cframe_current_frame, FRAMES);
        } else {
            process.set(THREAD, layout.thread.frame_head, FRAMES);
        }
        process.add_code();
        for (index, made) in (0..).zip(chain) {
            process.add_frame(index, *made, index + 1 == chain.len() as u64);
        }
        process
    }

    fn set(&mut self, base: u64, offset: u16, value: u64) {
        let start = (base - BASE) as usize + usize::from(offset);
        self.bytes[start..start + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn add_code(&mut self) {
        let layout = self.row.layout;
        self.set(CODE, layout.object.ob_type, CODE_TYPE);
        self.set(CODE, layout.code.filename, NAME);
        self.set(CODE, layout.code.name, NAME + 0x100);
        self.set(CODE, layout.code.linetable, TABLE);
        if layout.code.qualname != ABSENT {
            self.set(CODE, layout.code.qualname, NAME + 0x100);
            self.set(CODE, layout.code.unit_count, UNITS);
        } else {
            self.set(CODE, layout.code.bytecode_object, TABLE + 0x800);
            self.set(TABLE + 0x800, layout.object.bytes_size, 2 * UNITS);
        }
        for (address, text) in [(NAME, b"made.py\0"), (NAME + 0x100, b"function")] {
            self.set(address, layout.object.str_length, 7);
            self.set(address, layout.object.str_state, ASCII_STATE);
            self.set(
                address,
                layout.object.str_ascii_data,
                u64::from_le_bytes(*text),
            );
        }
    }

    fn add_frame(&mut self, index: u64, made: Made, is_last: bool) {
        let layout = self.row.layout;
        let address = FRAMES + index * STRIDE;
        if !is_last {
            self.set(address, layout.frame.previous, address + STRIDE);
        }
        let pointer = CODE.wrapping_add(u64::from(layout.code.adaptive)) + 2 * index;
        let instruction = match layout.frame.instruction_kind >= InstructionKind::Pointer as u8 {
            true => pointer,
            false => index,
        };
        self.set(address, layout.frame.instruction, instruction);
        if made != Made::Entry {
            self.set(address, layout.frame.executable, CODE);
        }
        if made == Made::Compiled {
            let object = address - OBJECT;
            self.set(address, layout.frame.frame_obj.into(), object);
            let f_frame = layout.object.ob_type + 16;
            self.set(object, f_frame, address);
            self.set(object, f_frame + 16, LINE + index);
            let in_3_11 = layout.frame.entry_kind == EntryKind::IsEntry as u8;
            let at = layout.frame.owner + u16::from(in_3_11);
            // The owner is a generator, as Nuitka has it; `is_entry` may be anything.
            let anything = if in_3_11 {
                1 << (8 * (layout.frame.owner & 7))
            } else {
                0
            };
            self.set(address, at & !7, 1 << (8 * (at & 7)) | anything);
        }
        if made == Made::Entry {
            let word = layout.frame.owner & !7;
            let owner = 3 << (8 * (layout.frame.owner & 7));
            self.set(address, word, owner);
        }
    }

    fn replay(&self) -> Replay {
        let mut config = ProcessConfig {
            key: ProcessKey(1),
            runtime: RUNTIME,
            code_type: CODE_TYPE,
            tls_offset: 0,
            // The C library is unknown, so the list of threads is searched.
            thread_specific: ThreadSpecificData {
                offset: 0,
                stride: 0,
                value: 0,
                indirect: 0,
            },
            code_generation: CodeGeneration::NONE,
            gil: GilPlace::NONE,
            life: LifePlace::NONE,
            state: ProcessState::Sampled as u32,
            tls_module: 0,
            layout: self.row.layout,
        };
        config.layout.runtime.tss_struct = ABSENT;
        let replay = replay(self, &config, self.row.line_table, THREAD_POINTER);
        assert!(self.reads.get() <= MAX_READS, "{} reads", self.reads.get());
        assert!(replay.frames.len() <= MAX_FRAMES);
        replay
    }

    /// The kind of the outermost frame of a whole chain.
    fn end(&self) -> Made {
        match self.row.layout.frame.entry_kind >= EntryKind::Owner as u8 {
            true => Made::Entry,
            false => Made::Python,
        }
    }
}

/// Returns `depth` Python frames and the end of a whole chain.
fn chain(minor: u8, depth: usize) -> Vec<Made> {
    let mut chain = vec![Made::Python; depth];
    if Synthetic::new(minor, &[]).end() == Made::Entry {
        chain.push(Made::Entry);
    }
    chain
}

const MINORS: [u8; 2] = [10, 12];

#[test]
fn of_a_stack_too_deep_the_innermost_frames_are_shown_under_a_marker() {
    for minor in MINORS {
        for depth in [MAX_FRAMES + 1, 1500] {
            let replay = Synthetic::new(minor, &chain(minor, depth)).replay();
            assert_eq!(replay.stop, StopReason::Truncated, "3.{minor}");
            let shown = replay.shown.expect("they are true");
            assert_eq!(shown.len(), MAX_FRAMES + 1);
            let (marker, frames) = shown.split_last().expect("it is not empty");
            assert!(marker.0.starts_with("<outer frames left out"), "{marker:?}");
            assert!(frames.iter().all(|frame| frame.0 == "functio"));
            for (index, frame) in replay.frames.iter().enumerate() {
                assert_eq!(frame.instruction as usize, index, "3.{minor}");
            }
        }
    }
}

#[test]
fn the_deepest_stack_that_fits_is_whole() {
    for minor in MINORS {
        for depth in [1, 2, MAX_FRAMES - 1, MAX_FRAMES] {
            let replay = Synthetic::new(minor, &chain(minor, depth)).replay();
            assert_eq!(replay.stop, StopReason::Complete, "3.{minor}, {depth}");
            assert_eq!(
                replay.shown.map(|shown| shown.len()),
                Ok(depth),
                "3.{minor}"
            );
        }
    }
}

#[test]
fn entry_frames_between_the_others_do_not_shorten_a_stack() {
    let chain = [Made::Python, Made::Entry].repeat(MAX_FRAMES);
    let replay = Synthetic::new(12, &chain).replay();
    assert_eq!(replay.stop, StopReason::Complete);
    assert_eq!(replay.frames.len(), MAX_FRAMES);
}

#[test]
fn an_evaluation_that_began_elsewhere_is_not_shown() {
    let outer_cframe = CFRAME + 0x100;
    // These frames are not on a data stack; those of generators are not either.
    for (current_frame, stop) in [
        (0, StopReason::Complete),
        (FRAMES, StopReason::FrameNotLinked),
        (CODE, StopReason::FrameNotLinked),
    ] {
        let mut process = Synthetic::new(12, &chain(12, 3));
        let offset = process.row.layout.thread.cframe_current_frame;
        process.set(CFRAME, offset + 8, outer_cframe);
        process.set(outer_cframe, offset, current_frame);
        assert_eq!(process.replay().stop, stop);
    }
}

#[test]
fn a_chain_of_entry_frames_alone_ends() {
    let replay = Synthetic::new(12, &[Made::Entry; 5000]).replay();
    assert_eq!(replay.shown, Err(StopReason::Truncated));
    let replay = Synthetic::new(12, &[Made::Entry; 5]).replay();
    assert_eq!(replay.stop, StopReason::NoFrame);
}

#[test]
fn any_circle_ends_and_is_never_a_whole_stack() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    for round in 0..300 {
        let minor = MINORS[round % MINORS.len()];
        let depth = 1 + below(1800);
        let mut process = Synthetic::new(minor, &vec![Made::Python; depth as usize]);
        let back = below(depth);
        let last = FRAMES + (depth - 1) * STRIDE;
        process.set(
            last,
            process.row.layout.frame.previous,
            FRAMES + back * STRIDE,
        );
        let replay = process.replay();
        // A circle too long to close within a sample counts as a stack that is too deep.
        let is_short = 3 * depth < MAX_FRAMES as u64;
        let is_circular = replay.stop == StopReason::Circular;
        assert!(is_circular || !is_short && replay.stop == StopReason::Truncated);
        assert_eq!(is_circular, replay.shown.is_err());
    }
}

/// Minor versions whose frames are not objects.
const WITH_FRAMES: std::ops::RangeInclusive<u8> = 11..=15;

fn lines(replay: &Replay) -> Vec<u32> {
    let shown = replay.shown.as_ref().expect("they are true");
    shown.iter().map(|frame| frame.2).collect()
}

fn is_marked(replay: &Replay) -> bool {
    let shown = replay.shown.as_ref().expect("they are true");
    let outermost = shown.last().expect("there is one");
    outermost.0 == "<outer frames not known>"
}

#[test]
fn frames_in_their_own_objects_end_a_chain_and_have_their_own_lines() {
    use Made::{Compiled, Entry, Python};
    for minor in WITH_FRAMES {
        let process = Synthetic::new(minor, &[Compiled; 3]);
        let replay = process.replay();
        assert_eq!(replay.stop, StopReason::Complete, "3.{minor}");
        assert_eq!(lines(&replay), [7000, 7001, 7002], "3.{minor}");
        if process.end() == Entry {
            let replay = Synthetic::new(minor, &[Python, Entry, Compiled]).replay();
            assert_eq!(replay.stop, StopReason::Complete, "3.{minor}");
            assert_eq!(lines(&replay)[1], 7002, "3.{minor}");
        }
    }
}

#[test]
fn what_nothing_shows_to_be_outermost_is_shown_with_a_mark() {
    for minor in WITH_FRAMES {
        for made in [Made::Compiled, Made::Python] {
            // A lone innermost frame may be one that is not linked yet.
            let replay = Synthetic::new(minor, &[made]).replay();
            if made == Made::Python {
                assert_eq!(replay.shown, Err(StopReason::BrokenChain), "3.{minor}");
            } else {
                assert_eq!(replay.stop, StopReason::OpenEnd, "3.{minor}");
                assert!(is_marked(&replay) && lines(&replay) == [7000, 0]);
            }
        }
        let replay = Synthetic::new(minor, &[Made::Python; 2]).replay();
        assert_eq!(replay.stop, StopReason::OpenEnd, "3.{minor}");
        assert!(is_marked(&replay), "3.{minor}");
    }
}

#[test]
fn a_frame_object_counts_only_if_it_is_that_of_the_frame() {
    for minor in WITH_FRAMES {
        let last = FRAMES + STRIDE;
        let object = last - OBJECT;
        let layout = Synthetic::new(minor, &[]).row.layout;
        let f_frame = layout.object.ob_type + 16;
        let frame_obj = u16::from(layout.frame.frame_obj);
        for (base, offset, value) in [
            (object, f_frame, last + 8),
            (object, f_frame, 0),
            (last, frame_obj, 0),
            (last, frame_obj, last),
            (last, frame_obj, last + 8),
            (last, frame_obj, FRAMES - OBJECT),
            (last, frame_obj, u64::MAX),
        ] {
            let mut process = Synthetic::new(minor, &[Made::Compiled; 2]);
            process.set(base, offset, value);
            if layout.frame.entry_kind == EntryKind::IsEntry as u8 {
                // The owner is a generator, without `is_entry`: nothing else marks an
                // end.
                let owner = layout.frame.owner + 1;
                process.set(last, owner & !7, 1 << (8 * (owner & 7)));
            }
            let replay = process.replay();
            assert_eq!(replay.stop, StopReason::OpenEnd, "3.{minor} {value:x}");
            assert_eq!(lines(&replay)[0], 7000, "3.{minor}");
            assert!(lines(&replay)[1] < 7000, "3.{minor}: {:?}", lines(&replay));
        }
    }
}

#[test]
fn frame_objects_that_run_no_instruction_have_their_own_lines() {
    for minor in 6..=10 {
        let mut process = Synthetic::new(minor, &[Made::Python; 3]);
        let at = process.row.layout.frame.instruction;
        process.set(FRAMES + STRIDE, at & !7, u64::from(u32::MAX) | LINE << 32);
        let replay = process.replay();
        assert_eq!(replay.stop, StopReason::Complete, "3.{minor}");
        assert_eq!(lines(&replay)[1], 7000, "3.{minor}");
        assert!(lines(&replay)[0] < 7000 && lines(&replay)[2] < 7000);
    }
}
