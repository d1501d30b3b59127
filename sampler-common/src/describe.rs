// SPDX-License-Identifier: MIT OR Apache-2.0

//! Describes a code object from the process it lives in: names, first line and line
//! table, each of bounded size.

use crate::code::{
    CodeHeader, CodeRecord, MAX_FILE_NAME, MAX_LINE_TABLE, MAX_NAME, Missing, RawText,
};
use crate::fingerprint::code_key;
use crate::layout::{ABSENT, InterpreterLayout};
use crate::life::InterpreterLife;
use crate::memory::UserMemory;
use crate::process::{ProcessConfig, ProcessKey};
use crate::sample::{CodeKey, RecordKind};
use crate::text::copy_text;
use crate::window::Window;

/// The code object to describe, and the interpreter that ran it.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The key it had when its frame was seen.
    pub key: CodeKey,
    /// Its address.
    pub code: u64,
    /// Thread group id of its process.
    pub tgid: u32,
    /// Address of the `PyInterpreterState` of the thread that ran it.
    pub interpreter: u64,
    /// The life of that interpreter.
    pub life: InterpreterLife,
}

/// Buffers that are too large for a BPF stack.
pub struct Windows {
    /// A copy of the code object.
    pub code: Window,
    /// A copy of the header of one of its strings.
    pub text: Window,
}

/// Fills `record` and returns the number of its bytes that are in use.
///
/// Reads the code object again and compares its key. Returns 0 when it cannot be read or
/// is not the same any more.
#[inline(always)]
pub fn describe<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    subject: Subject,
    windows: &mut Windows,
    record: &mut CodeRecord,
) -> usize {
    let layout = &config.layout;
    let Windows { code, text } = windows;
    if code
        .load(memory, subject.code, layout.code.read_size)
        .is_err()
        || code_key(memory, subject.life, subject.code, code, layout) != Ok(subject.key)
    {
        return 0;
    }
    record.header = header(config.key, subject, code, layout);
    if layout.code.unit_count == ABSENT {
        let bytecode = code.u64_at(layout.code.bytecode_object);
        let size = memory.read_u64(bytecode.wrapping_add(u64::from(layout.object.bytes_size)));
        // A code unit has two bytes. The number stays 0, not known, where the size is
        // unreadable.
        record.header.unit_count = (size.unwrap_or(0) / 2) as u32;
    }

    let object = &layout.object;
    let file_name = code.u64_at(layout.code.filename);
    let copied = copy_text(
        memory,
        object,
        file_name,
        text,
        &mut record.text[..MAX_FILE_NAME],
        MAX_FILE_NAME,
    );
    record.header.file_name = copied.text;
    if !copied.whole {
        record.header.missing |= Missing::FileName as u32;
    }
    // The masks repeat, for the verifier, what the limits above imply.
    let mut used = padded(copied.text.size) & 0x3ff;

    let named = if layout.code.qualname == ABSENT {
        layout.code.name
    } else {
        layout.code.qualname
    };
    let Some(room) = record.text.get_mut(used..used + MAX_NAME) else {
        return 0;
    };
    let copied = copy_text(memory, object, code.u64_at(named), text, room, MAX_NAME);
    record.header.name = copied.text;
    if !copied.whole {
        record.header.missing |= Missing::Name as u32;
    }
    used = (used + padded(copied.text.size)) & 0x7ff;

    let table = code.u64_at(layout.code.linetable);
    let Some(room) = record.text.get_mut(used..used + MAX_LINE_TABLE) else {
        return 0;
    };
    let size = copy_bytes(memory, layout, table, room);
    record.header.line_table_size = size.unwrap_or(0);
    if size.is_none() {
        record.header.missing |= Missing::LineTable as u32;
    }
    let size = size.unwrap_or(0) as usize & 0x1fff;
    size_of::<CodeHeader>() + used + size
}

#[inline(always)]
fn header(
    process: ProcessKey,
    subject: Subject,
    code: &Window,
    layout: &InterpreterLayout,
) -> CodeHeader {
    let unit_count = match layout.code.unit_count {
        ABSENT => 0,
        offset => code.u32_at(offset),
    };
    CodeHeader {
        kind: RecordKind::Code as u32,
        missing: 0,
        key: subject.key,
        process,
        code: subject.code,
        interpreter: subject.interpreter,
        life: subject.life,
        tgid: subject.tgid,
        first_line: code.u32_at(layout.code.firstlineno) as i32,
        unit_count,
        line_table_size: 0,
        file_name: RawText { size: 0, width: 1 },
        name: RawText { size: 0, width: 1 },
    }
}

/// Copies a whole `bytes` object; `None` when it is too long or unreadable.
#[inline(always)]
fn copy_bytes<M: UserMemory>(
    memory: &M,
    layout: &InterpreterLayout,
    address: u64,
    destination: &mut [u8],
) -> Option<u32> {
    let size_at = address.wrapping_add(u64::from(layout.object.bytes_size));
    let size = memory.read_u64(size_at).ok()?;
    if size > MAX_LINE_TABLE as u64 {
        return None;
    }
    let room = destination.get_mut(..size as usize)?;
    memory
        .read_bytes(
            address.wrapping_add(u64::from(layout.object.bytes_data)),
            room,
        )
        .ok()?;
    Some(size as u32)
}

#[inline(always)]
fn padded(size: u16) -> usize {
    (usize::from(size) + 7) & !7
}
