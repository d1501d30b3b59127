// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wire record that describes one code object: its names, first line and line table.
//! Texts and line table travel as the interpreter stores them; user space decodes both.

use bytemuck::{Pod, Zeroable};

use crate::life::InterpreterLife;
use crate::process::ProcessKey;
use crate::sample::CodeKey;

/// The most bytes of a file name in a description.
pub const MAX_FILE_NAME: usize = 512;
/// The most bytes of a (qualified) name in a description.
pub const MAX_NAME: usize = 256;
/// The most bytes of a line table in a description. More than 99.9 % of the line tables
/// of the standard library and of popular packages are shorter.
pub const MAX_LINE_TABLE: usize = 4096;
/// Bytes reserved for all three, each starting at a multiple of eight.
pub const MAX_TEXT: usize = 8192;

/// A part of a description that is cut short or missing. User space then reads the code
/// object from the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Missing {
    /// The file name.
    FileName = 1,
    /// The name.
    Name = 2,
    /// The line table.
    LineTable = 4,
}

/// How the characters of a `str` are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RawText {
    /// Bytes on the wire, before padding to a multiple of eight.
    pub size: u16,
    /// Bytes per character: 1 (Latin-1), 2 (UCS-2) or 4 (UCS-4).
    pub width: u16,
}

/// The fixed part of a description. The texts follow in this order, each padded to a
/// multiple of eight: file name, name, line table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CodeHeader {
    /// [`crate::sample::RecordKind::Code`].
    pub kind: u32,
    /// A set of bits of [`Missing`].
    pub missing: u32,
    /// The key of the code object.
    pub key: CodeKey,
    /// The process that the code object lives in.
    pub process: ProcessKey,
    /// The address of the code object in that process.
    pub code: u64,
    /// Address of the `PyInterpreterState` of the thread that ran it.
    pub interpreter: u64,
    /// The life of that interpreter in which the thread ran it.
    pub life: InterpreterLife,
    /// Thread group id of that process.
    pub tgid: u32,
    /// `co_firstlineno`.
    pub first_line: i32,
    /// The number of code units (two bytes each); 0 when not known.
    pub unit_count: u32,
    /// Bytes of the line table on the wire.
    pub line_table_size: u32,
    /// `co_filename`.
    pub file_name: RawText,
    /// `co_qualname`, or `co_name` where there is none (up to 3.10).
    pub name: RawText,
}

/// A description with room for its texts. On the wire it ends after the last
/// byte in use.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CodeRecord {
    /// The fixed part.
    pub header: CodeHeader,
    /// The texts, in the order that [`CodeHeader`] gives.
    pub text: [u8; MAX_TEXT],
}

const _: () = assert!(size_of::<CodeHeader>() == 72);
const _: () = assert!(MAX_FILE_NAME + MAX_NAME + MAX_LINE_TABLE + 24 <= MAX_TEXT);
