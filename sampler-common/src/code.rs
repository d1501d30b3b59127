//! The wire record that describes one code object: its names, first line and
//! line table. It refuses to know encodings of line tables, and keeps texts as
//! the interpreter stores them.

use bytemuck::{Pod, Zeroable};

use crate::process::ProcessKey;
use crate::sample::CodeKey;

/// Most bytes of a file name that a description carries.
pub const MAX_FILE_NAME: usize = 512;
/// Most bytes of a (qualified) name that a description carries.
pub const MAX_NAME: usize = 256;
/// Most bytes of a line table that a description carries: more than 99.9 % of
/// the standard library's and of popular packages' are shorter.
pub const MAX_LINE_TABLE: usize = 4096;
/// Room for all three, each starting at a multiple of eight.
pub const MAX_TEXT: usize = 8192;

/// A part of a description that is cut short or missing. The user side then
/// reads the code object from the process.
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

/// What precedes the texts of a description. They follow in this order, each
/// padded to a multiple of eight: file name, name, line table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CodeHeader {
    /// [`crate::sample::RecordKind::Code`].
    pub kind: u32,
    /// Bits of [`Missing`].
    pub missing: u32,
    /// The code object.
    pub key: CodeKey,
    /// The process it lives in.
    pub process: ProcessKey,
    /// Its address there.
    pub code: u64,
    /// Thread group id of that process.
    pub tgid: u32,
    /// `co_firstlineno`.
    pub first_line: i32,
    /// Number of code units (two bytes each); 0 when not known.
    pub unit_count: u32,
    /// Bytes of line table on the wire.
    pub line_table_size: u32,
    /// `co_filename`.
    pub file_name: RawText,
    /// `co_qualname`, or `co_name` where there is none (to 3.10).
    pub name: RawText,
}

/// A description with room for its texts. On the wire it ends after the last
/// byte in use.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CodeRecord {
    /// What precedes the texts.
    pub header: CodeHeader,
    /// The texts.
    pub text: [u8; MAX_TEXT],
}

const _: () = assert!(size_of::<CodeHeader>() == 56);
const _: () = assert!(MAX_FILE_NAME + MAX_NAME + MAX_LINE_TABLE + 24 <= MAX_TEXT);
