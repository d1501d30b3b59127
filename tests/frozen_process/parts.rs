// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which bytes of a frozen thread hold which information. Only damage to these
//! bytes may change what is shown.

use std::ops::Range;

use sampler_common::layout::{ABSENT, EntryKind, InstructionKind};
use sampler_common::memory::UserMemory;
use sampler_common::process::ProcessConfig;

use crate::anatomy::Anatomy;

/// A bit of `PyASCIIObject.state`: the characters follow the ASCII header.
const ASCII: u64 = 1 << 4;

/// What some bytes say. Frames are given by their index in the [`Anatomy`],
/// code objects by their address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Where the next outer frame is.
    Previous(usize),
    /// Which code object the frame runs.
    Executable(usize),
    /// Where in the code object the frame is.
    Instruction(usize),
    /// Whether the frame is an entry frame.
    Owner(usize),
    /// A code object's name.
    Function(u64),
    /// A code object's file name.
    File(u64),
    /// A code object's first line and line table.
    Lines(u64),
}

/// The parts of a thread, with the bytes of each.
#[derive(Clone, Debug)]
pub(crate) struct Parts(Vec<(Range<u64>, Part)>);

impl Parts {
    pub(crate) fn new(memory: &impl UserMemory, config: &ProcessConfig, anatomy: &Anatomy) -> Self {
        let mut parts = Self(Vec::new());
        let layout = &config.layout.frame;
        let kind = layout.instruction_kind;
        let instruction_size = match kind >= InstructionKind::Pointer as u8 {
            true => 8,
            false => 4,
        };
        for (index, frame) in anatomy.frames.iter().enumerate() {
            let mut add = |offset: u16, size, part| parts.add(frame.address, offset, size, part);
            add(layout.previous, 8, Part::Previous(index));
            add(layout.executable, 8, Part::Executable(index));
            add(
                layout.instruction,
                instruction_size,
                Part::Instruction(index),
            );
            if layout.entry_kind != EntryKind::None as u8 {
                add(layout.owner, 1, Part::Owner(index));
            }
        }
        // Tells whether the innermost line is stored at all: code of the JIT stores none.
        let executor = config.layout.thread.executor;
        let innermost = anatomy.frames.iter().position(|it| it.shown.is_some());
        if let Some(innermost) = innermost.filter(|_| executor != ABSENT) {
            let state = anatomy.thread_state;
            parts.add(state, executor, 8, Part::Instruction(innermost));
        }
        for code in anatomy.codes() {
            parts.add_code(memory, config, code);
        }
        parts
    }

    fn add(&mut self, base: u64, offset: u16, size: u64, part: Part) {
        let start = base + u64::from(offset);
        self.0.push((start..start + size, part));
    }

    fn add_code(&mut self, memory: &impl UserMemory, config: &ProcessConfig, code: u64) {
        let layout = &config.layout.code;
        let object = &config.layout.object;
        let word = |base: u64, offset: u16| {
            let address = (base + u64::from(offset)) & !7;
            memory.read_u64(address).expect("a whole process")
        };
        let name = match layout.qualname {
            ABSENT => layout.name,
            qualname => qualname,
        };
        for (field, part) in [
            (layout.filename, Part::File(code)),
            (name, Part::Function(code)),
        ] {
            self.add(code, field, 8, part);
            let text = word(code, field);
            let state = word(text, object.str_state) >> (8 * (object.str_state & 4));
            let state = state >> object.str_kind_shift;
            let data = match state & ASCII {
                0 => object.str_compact_data,
                _ => object.str_ascii_data,
            };
            let characters = word(text, object.str_length) * (state & 7);
            self.add(text, 0, u64::from(data) + characters, part);
        }
        if layout.version == ABSENT {
            // The hash in the bare name tells code objects apart.
            self.add(code, layout.name, 8, Part::Function(code));
            let name = word(code, layout.name);
            self.add(name, object.str_length + 8, 8, Part::Function(code));
        }
        self.add(code, layout.firstlineno, 4, Part::Lines(code));
        self.add(code, layout.linetable, 8, Part::Lines(code));
        let table = word(code, layout.linetable);
        self.add(table, object.bytes_size, 8, Part::Lines(code));
        let size = word(table, object.bytes_size);
        self.add(table, object.bytes_data, size, Part::Lines(code));
    }

    /// Returns the parts that overlap `range`.
    pub(crate) fn touched(&self, range: &Range<u64>) -> Vec<Part> {
        let parts = self.0.iter();
        parts
            .filter(|(bytes, _)| bytes.start < range.end && range.start < bytes.end)
            .map(|(_, part)| *part)
            .collect()
    }
}
