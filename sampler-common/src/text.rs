// SPDX-License-Identifier: MIT OR Apache-2.0

//! Copies the characters of a `str` of the target as they are stored; user space decodes
//! them.

use crate::code::RawText;
use crate::layout::ObjectLayout;
use crate::memory::UserMemory;
use crate::window::Window;

const COMPACT: u32 = 1 << 3;
const ASCII: u32 = 1 << 4;

/// The result of copying a `str`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedText {
    /// What the destination holds.
    pub text: RawText,
    /// Whether it was copied whole: false when it was cut, or could not be read at all.
    pub whole: bool,
}

const NOTHING: CopiedText = CopiedText {
    text: RawText { size: 0, width: 1 },
    whole: false,
};

/// Copies the `str` at `address` to the front of `destination`, at most `limit`
/// bytes of it.
#[inline(always)]
pub fn copy_text<M: UserMemory>(
    memory: &M,
    layout: &ObjectLayout,
    address: u64,
    header: &mut Window,
    destination: &mut [u8],
    limit: usize,
) -> CopiedText {
    if header.load(memory, address, layout.str_ascii_data).is_err() {
        return NOTHING;
    }
    let state = header.u32_at(layout.str_state) >> layout.str_kind_shift;
    let width = state & 7;
    let data = match state & (COMPACT | ASCII) {
        both if both == COMPACT | ASCII => layout.str_ascii_data,
        COMPACT => layout.str_compact_data,
        _ => return NOTHING,
    };
    let shift = match width {
        1 => 0,
        2 => 1,
        4 => 2,
        _ => return NOTHING,
    };
    let length = header.u64_at(layout.str_length);
    let wanted = if length > 0xffff {
        0xffff
    } else {
        (length as usize) << shift
    };
    let size = if wanted > limit { limit } else { wanted };
    let Some(room) = destination.get_mut(..size) else {
        return NOTHING;
    };
    if memory
        .read_bytes(address.wrapping_add(u64::from(data)), room)
        .is_err()
    {
        return NOTHING;
    }
    CopiedText {
        text: RawText {
            size: size as u16,
            width: width as u16,
        },
        whole: size == wanted && length <= 0xffff,
    }
}

#[cfg(test)]
mod tests;
