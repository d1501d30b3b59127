//! Reads `str` objects of a process and decodes their characters. It refuses to
//! know what a text is for.

use sampler_common::layout::ObjectLayout;
use sampler_common::memory::{MemoryFault, UserMemory};
use sampler_common::window::Window;

/// `PyASCIIObject.state`, above the kind: the characters follow the header
/// (`Include/cpython/unicodeobject.h`, 3.6 to 3.15).
const COMPACT: u32 = 1 << 3;
/// Likewise: every character is below 128.
const ASCII: u32 = 1 << 4;

/// A `str` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The process has no such memory, or not any more.
    #[error("the text at {address:#x} cannot be read: no memory at {fault:#x}")]
    Unreadable {
        /// Address of the object.
        address: u64,
        /// Where the read failed.
        fault: u64,
    },
    /// The header is not that of a `str` with its characters in place.
    #[error("the object at {address:#x} is no text: its state is {state:#x}")]
    NotText {
        /// Address of the object.
        address: u64,
        /// Its state, kind in the lowest three bits.
        state: u32,
    },
}

/// Reads the `str` at `address`: its first `limit` characters, the rest is cut.
///
/// # Errors
/// [`TextError`] when the object or its characters cannot be read, and when it
/// holds no characters of a known width.
pub fn read_text(
    memory: &impl UserMemory,
    layout: &ObjectLayout,
    address: u64,
    limit: usize,
) -> Result<String, TextError> {
    let unreadable = |fault: MemoryFault| TextError::Unreadable {
        address,
        fault: fault.address,
    };
    let mut header = Window::zeroed();
    header
        .load(memory, address, layout.str_ascii_data)
        .map_err(unreadable)?;
    let state = header.u32_at(layout.str_state) >> layout.str_kind_shift;
    let width = match state & 7 {
        1 => 1,
        2 => 2,
        4 => 4,
        // 0 is a text of 3.11 or before that nobody has looked at yet.
        _ => return Err(TextError::NotText { address, state }),
    };
    let after_header = |offset: u16| address.wrapping_add(u64::from(offset));
    let characters = match state & (COMPACT | ASCII) {
        both if both == COMPACT | ASCII => after_header(layout.str_ascii_data),
        COMPACT => after_header(layout.str_compact_data),
        // Instances of subclasses of str keep their characters elsewhere.
        _ => memory
            .read_u64(after_header(layout.str_compact_data))
            .map_err(unreadable)?,
    };
    let length = usize::try_from(header.u64_at(layout.str_length)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(limit).saturating_mul(usize::from(width))];
    memory
        .read_bytes(characters, &mut bytes)
        .map_err(unreadable)?;
    Ok(decode_text(&bytes, width))
}

/// Decodes characters as a `str` stores them: 1 (Latin-1), 2 (UCS-2) or 4
/// (UCS-4) bytes each, native-endian.
///
/// What is no character becomes U+FFFD: lone surrogates, which also stand for
/// the bytes of a file name that could not be decoded (PEP 383), and numbers
/// above U+10FFFF. A `width` other than these has no characters. The result has
/// at most three bytes for each byte of `bytes`.
pub fn decode_text(bytes: &[u8], width: u16) -> String {
    let character = |number: u32| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    match width {
        1 => bytes.iter().copied().map(char::from).collect(),
        2 => {
            let (units, _) = bytes.as_chunks();
            let units = units.iter().map(|&unit| u16::from_ne_bytes(unit));
            units.map(|unit| character(u32::from(unit))).collect()
        }
        4 => {
            let (units, _) = bytes.as_chunks();
            units
                .iter()
                .map(|&unit| character(u32::from_ne_bytes(unit)))
                .collect()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_every_width() {
        assert_eq!(decode_text(b"caf\xe9", 1), "café");
        let wide: Vec<u8> = "λx\u{4e16}"
            .encode_utf16()
            .flat_map(u16::to_ne_bytes)
            .collect();
        assert_eq!(decode_text(&wide, 2), "λx\u{4e16}");
        let widest: Vec<u8> = "🐍"
            .chars()
            .flat_map(|c| u32::from(c).to_ne_bytes())
            .collect();
        assert_eq!(decode_text(&widest, 4), "🐍");
    }

    #[test]
    fn what_is_no_character_is_replaced() {
        // "\udcff" is the byte 255 of a file name; a pair of surrogates in a
        // str is two characters, never one.
        let units: Vec<u8> = [0xdcff_u16, 0xd83d, 0xdc0d]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect();
        assert_eq!(decode_text(&units, 2), "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(decode_text(&[0xff; 4], 4), "\u{fffd}");
        assert_eq!(decode_text(b"abc", 2).chars().count(), 1);
        assert_eq!(decode_text(b"abc", 3), "");
    }
}
