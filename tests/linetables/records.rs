// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads what `scripts/line_tables.py` writes, one code object at a time.

use std::io::{BufReader, Read};

use sampler_cpython::cpython::line_table::LineTableKind;

/// Marks code units that have no line.
const NO_LINE: i32 = i32::MIN;
/// The kind of the record that ends the stream.
const LAST: u8 = 255;

/// A code object's line table, and its lines as the interpreter reports them.
pub(crate) struct CodeLines {
    /// How the table is encoded.
    pub(crate) kind: LineTableKind,
    /// `co_firstlineno`.
    pub(crate) first_line: i32,
    /// The table itself.
    pub(crate) table: Vec<u8>,
    unit_count: i32,
    runs: Vec<(i32, i32)>,
}

impl CodeLines {
    /// Returns every code unit with its line.
    pub(crate) fn expected(&self) -> impl Iterator<Item = (i32, Option<i32>)> {
        let ends = self.runs.iter().skip(1).map(|run| run.0);
        let ends = ends.chain([self.unit_count]);
        self.runs
            .iter()
            .zip(ends)
            .flat_map(|(&(start, line), end)| {
                (start..end).map(move |unit| (unit, (line != NO_LINE).then_some(line)))
            })
    }
}

/// The records of one interpreter.
pub(crate) struct Records<Source> {
    source: BufReader<Source>,
    /// The number of files compiled; known once the last record was read.
    pub(crate) files: u32,
    /// The number of code objects in them; known at the same time.
    pub(crate) code_objects: u32,
}

impl<Source: Read> Records<Source> {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source: BufReader::with_capacity(1 << 18, source),
            files: 0,
            code_objects: 0,
        }
    }

    /// Reads the next code object. Returns `None` after the last record; panics
    /// if the stream ends without that record.
    pub(crate) fn next_code(&mut self) -> Option<CodeLines> {
        let [kind] = self.take();
        let kind = match kind {
            0 => LineTableKind::Lnotab,
            1 => LineTableKind::Linetable310,
            2 => LineTableKind::Locations311,
            LAST => {
                self.files = self.u32();
                self.code_objects = self.u32();
                return None;
            }
            other => panic!("record of kind {other}"),
        };
        let first_line = self.i32();
        let unit_count = self.i32();
        let table_size = self.u32();
        let run_count = self.u32();
        let mut table = vec![0; table_size as usize];
        self.source.read_exact(&mut table).expect("a whole record");
        let runs = (0..run_count).map(|_| (self.i32(), self.i32())).collect();
        Some(CodeLines {
            kind,
            first_line,
            table,
            unit_count,
            runs,
        })
    }

    fn take<const SIZE: usize>(&mut self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        self.source.read_exact(&mut bytes).expect("a whole record");
        bytes
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }
}
