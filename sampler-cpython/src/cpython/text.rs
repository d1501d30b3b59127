// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads `str` objects of a process and decodes their characters.

use sampler_common::layout::ObjectLayout;
use sampler_common::memory::{MemoryFault, UserMemory};
use sampler_common::window::Window;

/// A bit of `PyASCIIObject.state`, shifted down to the kind: the characters follow the
/// header (`Include/cpython/unicodeobject.h`, 3.6 to 3.15).
const COMPACT: u32 = 1 << 3;
/// The next bit: every character is below 128.
const ASCII: u32 = 1 << 4;

/// Why a `str` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The memory is not mapped, or no longer.
    #[error("the text at {address:#x} cannot be read: no memory at {fault:#x}")]
    Unreadable {
        /// Address of the object.
        address: u64,
        /// Where the read failed.
        fault: u64,
    },
    /// The object is not a `str` with its characters in place.
    #[error("the object at {address:#x} is not text: its state is {state:#x}")]
    NotText {
        /// Address of the object.
        address: u64,
        /// Its state, with the kind in the lowest three bits.
        state: u32,
    },
}

/// Reads the first `limit` characters of the `str` at `address`.
///
/// # Errors
/// [`TextError`] when the object or its characters cannot be read, or its characters have
/// no known width.
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
        // 0 is a string of 3.11 or older that is not ready yet (`PyUnicode_READY`).
        _ => return Err(TextError::NotText { address, state }),
    };
    let after_header = |offset: u16| address.wrapping_add(u64::from(offset));
    let characters = match state & (COMPACT | ASCII) {
        both if both == COMPACT | ASCII => after_header(layout.str_ascii_data),
        COMPACT => after_header(layout.str_compact_data),
        // Instances of subclasses of `str` keep their characters elsewhere.
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

/// Decodes characters as a `str` stores them: 1 (Latin-1), 2 (UCS-2) or 4 (UCS-4) bytes
/// each, native-endian.
///
/// A lone surrogate that stands for an undecodable byte of a file name (PEP 383) becomes
/// an escape such as `\xe9`. Anything else that is not a character becomes U+FFFD: other
/// surrogates, and numbers above U+10FFFF. Any other `width` gives an empty text. The
/// result has at most three bytes for each byte of `bytes`.
pub fn decode_text(bytes: &[u8], width: u16) -> String {
    match width {
        1 => bytes.iter().copied().map(char::from).collect(),
        2 => {
            let (units, _) = bytes.as_chunks();
            let units = units.iter().map(|&unit| u16::from_ne_bytes(unit));
            text_of(units.map(u32::from))
        }
        4 => {
            let (units, _) = bytes.as_chunks();
            text_of(units.iter().map(|&unit| u32::from_ne_bytes(unit)))
        }
        _ => String::new(),
    }
}

fn text_of(numbers: impl Iterator<Item = u32>) -> String {
    let mut text = String::new();
    for number in numbers {
        match number {
            0xdc80..=0xdcff => text.push_str(&format!("\\x{:02x}", number - 0xdc00)),
            _ => text.push(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
    text
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
        // "\udcff" is the byte 255 of a file name; a pair of surrogates in a `str` is two
        // characters, never one.
        let units: Vec<u8> = [0xdcff_u16, 0xd83d, 0xdc0d]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect();
        assert_eq!(decode_text(&units, 2), "\\xff\u{fffd}\u{fffd}");
        assert_eq!(decode_text(&[0xff; 4], 4), "\u{fffd}");
        assert_eq!(decode_text(b"abc", 2).chars().count(), 1);
        assert_eq!(decode_text(b"abc", 3), "");
    }
}
