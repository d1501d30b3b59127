// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decodes the three line tables that code objects had from CPython 3.6 to 3.15. Any
//! bytes are accepted as a table; decoding never panics.

/// The instruction of a frame that has not executed one yet: its line is the code
/// object's first line.
pub const BEFORE_FIRST: i32 = -1;

/// Bytes of one code unit, the unit of instruction offsets.
const UNIT: u64 = 2;

/// How a line table is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineTableKind {
    /// `co_lnotab` up to 3.9 (`Objects/lnotab_notes.txt`): pairs of the step
    /// in bytes of code, unsigned, and the step in lines, signed.
    Lnotab,
    /// `co_linetable` of 3.10 (PEP 626): pairs of the length of a range in
    /// bytes of code, unsigned, and the step to its line; -128 means no line.
    Linetable310,
    /// `co_linetable` from 3.11 (`Objects/locations.md`): entries that start with a byte
    /// for kind and length in code units, followed by columns and varints.
    Locations311,
}

/// Returns the line of the code unit `instruction` (two bytes of code each, in every
/// version) of a code object that starts at `first_line`.
///
/// A negative `instruction` ([`BEFORE_FIRST`]) gives `first_line`. The answer is `None`
/// where the compiler gave the instruction no line, where the table ends before it (from
/// 3.10; the last line of a [`LineTableKind::Lnotab`] has no end), and where a forged
/// table leaves the range of `i32`. The time is proportional to the length of the table,
/// whatever its bytes.
pub fn line_at(
    kind: LineTableKind,
    table: &[u8],
    first_line: i32,
    instruction: i32,
) -> Option<i32> {
    let Ok(unit) = u64::try_from(instruction) else {
        return Some(first_line);
    };
    match kind {
        LineTableKind::Lnotab => lnotab(table, first_line, unit * UNIT),
        LineTableKind::Linetable310 => linetable(table, first_line, unit * UNIT),
        LineTableKind::Locations311 => locations(table, first_line, unit),
    }
}

/// Applies steps until one starts after `offset`, in bytes of code.
fn lnotab(table: &[u8], first_line: i32, offset: u64) -> Option<i32> {
    let mut line = first_line;
    let mut start = 0_u64;
    for (length, step) in pairs(table) {
        start += u64::from(length);
        if start > offset {
            break;
        }
        line = line.checked_add(i32::from(step))?;
    }
    Some(line)
}

/// Finds the range that holds `offset`, in bytes of code.
fn linetable(table: &[u8], first_line: i32, offset: u64) -> Option<i32> {
    let mut line = first_line;
    let mut end = 0_u64;
    for (length, step) in pairs(table) {
        end += u64::from(length);
        let here = match step {
            i8::MIN => None,
            _ => {
                line = line.checked_add(i32::from(step))?;
                Some(line)
            }
        };
        if end > offset {
            return here;
        }
    }
    None
}

fn pairs(table: &[u8]) -> impl Iterator<Item = (u8, i8)> {
    let (whole, _) = table.as_chunks::<2>();
    whole
        .iter()
        .map(|&[length, step]| (length, step.cast_signed()))
}

/// Finds the entry that holds the code unit `unit`.
fn locations(table: &[u8], first_line: i32, unit: u64) -> Option<i32> {
    let mut entries = Locations {
        rest: table,
        line: first_line,
    };
    let mut end = 0_u64;
    while let Some((length, line)) = entries.next_entry() {
        end += length;
        if end > unit {
            return line;
        }
    }
    None
}

/// The rest of a table of 3.11 or later, and the line that it has come to.
struct Locations<'table> {
    rest: &'table [u8],
    line: i32,
}

impl Locations<'_> {
    /// Returns the next entry's length in code units and its line; `None` at the end, and
    /// where an entry is cut off.
    fn next_entry(&mut self) -> Option<(u64, Option<i32>)> {
        let head = self.byte()?;
        let length = u64::from(head & 7) + 1;
        let code = (head >> 3) & 15;
        let step = match code {
            // Short form: the columns are in one more byte.
            0..=9 => {
                self.byte()?;
                0
            }
            // One-line form: two columns.
            10..=12 => {
                self.byte()?;
                self.byte()?;
                i32::from(code) - 10
            }
            13 => self.signed_varint()?,
            // Long form: end line and two columns after the line.
            14 => {
                let step = self.signed_varint()?;
                self.varint()?;
                self.varint()?;
                self.varint()?;
                step
            }
            _ => return Some((length, None)),
        };
        self.line = self.line.checked_add(step)?;
        Some((length, Some(self.line)))
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Reads six bits per byte, lowest first; bit 6 says that another byte follows.
    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        let mut shift = 0_u32;
        loop {
            let byte = self.byte()?;
            let bits = u32::from(byte & 63);
            let shifted = bits.checked_shl(shift)?;
            if shifted >> shift != bits {
                return None;
            }
            value |= shifted;
            if byte & 64 == 0 {
                return Some(value);
            }
            shift += 6;
        }
    }

    /// Reads a varint whose lowest bit is the sign.
    fn signed_varint(&mut self) -> Option<i32> {
        let value = self.varint()?;
        let magnitude = (value >> 1).cast_signed();
        Some(if value & 1 == 1 {
            -magnitude
        } else {
            magnitude
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [LineTableKind; 3] = [
        LineTableKind::Lnotab,
        LineTableKind::Linetable310,
        LineTableKind::Locations311,
    ];

    #[test]
    fn lnotab_keeps_its_last_line_and_steps_back() {
        let lines = |unit| line_at(LineTableKind::Lnotab, &[0, 1, 4, 3, 2, 0xfe], 10, unit);
        assert_eq!(
            [-1, 0, 1, 2, 3, 99].map(lines),
            [10, 11, 11, 14, 12, 12].map(Some)
        );
    }

    #[test]
    fn linetable_has_ranges_without_a_line_and_ends() {
        let lines = |unit| {
            line_at(
                LineTableKind::Linetable310,
                &[2, 1, 0, 5, 2, 0x80, 2, 0],
                10,
                unit,
            )
        };
        assert_eq!(
            [-1, 0, 1, 2, 3].map(lines),
            [Some(10), Some(11), None, Some(16), None]
        );
    }

    #[test]
    fn locations_has_every_form() {
        let table = [
            0x80, 0x00, // short form, one unit
            0xd9, 0x01, 0x02, // one line further, two units
            0xe8, 0x03, // no columns: one line back
            0xf8, // no location
            0xf0, 0x50, 0x02, 0x00, 0x01, 0x01, // long form: 72 lines further
        ];
        let lines = |unit| line_at(LineTableKind::Locations311, &table, 10, unit);
        assert_eq!(
            [-1, 0, 1, 2, 3, 4, 5, 6].map(lines),
            [
                Some(10),
                Some(10),
                Some(11),
                Some(11),
                Some(10),
                None,
                Some(82),
                None
            ]
        );
    }

    #[test]
    fn a_cut_table_has_no_line_rather_than_a_wrong_one() {
        let cut = [0xf0, 0x50];
        assert_eq!(line_at(LineTableKind::Locations311, &cut, 10, 0), None);
        let endless = [0x7f; 64];
        assert_eq!(line_at(LineTableKind::Locations311, &endless, 10, 9), None);
    }

    #[test]
    fn any_bytes_are_decoded_without_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut table = [0_u8; 48];
        for _ in 0..20_000 {
            for byte in &mut table {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 32) as u8;
            }
            for kind in KINDS {
                for first_line in [i32::MIN, 0, i32::MAX] {
                    let before = line_at(kind, &table, first_line, BEFORE_FIRST);
                    assert_eq!(before, Some(first_line));
                    line_at(kind, &table, first_line, 20);
                    line_at(kind, &table, first_line, i32::MAX);
                }
            }
        }
    }
}
