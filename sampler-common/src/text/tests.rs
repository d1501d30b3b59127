// SPDX-License-Identifier: MIT OR Apache-2.0

//! Strings of every width, and strings whose headers are wrong.

use std::vec::Vec;

use super::*;
use crate::test_memory::{BASE, TestMemory, layout};

const LIMIT: usize = 64;

/// A `str` at [`BASE`] with this length and state. Its characters follow the header that
/// the state implies.
fn string(length: u64, kind: u32, flags: u32, characters: &[u8]) -> TestMemory {
    let object = layout().object;
    let mut memory = TestMemory::new(0x2_0000);
    memory.set(BASE, object.str_length, length);
    let state = (kind | flags) << object.str_kind_shift;
    memory.set(BASE, object.str_state, state.into());
    let data = match flags & ASCII {
        0 => object.str_compact_data,
        _ => object.str_ascii_data,
    };
    memory.set_bytes(BASE + u64::from(data), characters);
    memory
}

fn copy_limited(memory: &TestMemory, address: u64, limit: usize) -> (CopiedText, Vec<u8>) {
    let mut destination = std::vec![0xee; LIMIT];
    let object = layout().object;
    let header = &mut Window::zeroed();
    let copied = copy_text(memory, &object, address, header, &mut destination, limit);
    let (text, rest) = destination.split_at(copied.text.size.into());
    assert!(rest.iter().all(|byte| *byte == 0xee), "more was written");
    (copied, text.to_vec())
}

fn copy(memory: &TestMemory) -> (CopiedText, Vec<u8>) {
    copy_limited(memory, BASE, LIMIT)
}

fn whole(size: u16, width: u16) -> CopiedText {
    CopiedText {
        text: RawText { size, width },
        whole: true,
    }
}

#[test]
fn copies_every_width() {
    let ascii = string(4, 1, COMPACT | ASCII, b"main");
    assert_eq!(copy(&ascii), (whole(4, 1), b"main".to_vec()));
    let latin = string(3, 1, COMPACT, b"\xfc\xdf!");
    assert_eq!(copy(&latin), (whole(3, 1), b"\xfc\xdf!".to_vec()));
    let two = string(2, 2, COMPACT, b"\x3a\x04\x34\x04");
    assert_eq!(copy(&two), (whole(4, 2), b"\x3a\x04\x34\x04".to_vec()));
    let four = string(1, 4, COMPACT, b"\x30\x03\x01\x00");
    assert_eq!(copy(&four), (whole(4, 4), b"\x30\x03\x01\x00".to_vec()));
    let empty = string(0, 1, COMPACT | ASCII, b"");
    assert_eq!(copy(&empty), (whole(0, 1), Vec::new()));
}

#[test]
fn a_string_that_is_not_compact_has_its_characters_elsewhere() {
    for flags in [0, ASCII] {
        assert_eq!(copy(&string(4, 1, flags, b"main")).0, NOTHING);
    }
}

#[test]
fn a_kind_that_does_not_exist_is_refused() {
    for kind in [0, 3, 5, 6, 7] {
        assert_eq!(copy(&string(4, kind, COMPACT, b"main")).0, NOTHING);
    }
}

#[test]
fn a_long_string_is_cut_and_says_so() {
    let exact = string(LIMIT as u64, 1, COMPACT | ASCII, &[b'a'; LIMIT]);
    assert_eq!(copy(&exact).0, whole(LIMIT as u16, 1));
    for (length, kind) in [
        (LIMIT as u64 + 1, 1),
        (LIMIT as u64 / 2 + 1, 2),
        (0xffff, 4),
        (0x1_0000, 1),
        (u64::MAX, 1),
        (u64::MAX / 4 + 2, 4),
    ] {
        let (copied, text) = copy(&string(length, kind, COMPACT, &[b'a'; LIMIT]));
        assert_eq!(usize::from(copied.text.size), LIMIT, "{length:#x}");
        assert!(!copied.whole, "{length:#x}");
        assert_eq!(text, [b'a'; LIMIT]);
    }
}

#[test]
fn a_length_that_only_looks_short_is_not_whole() {
    // A destination large enough for the longest size.
    let memory = string(0x1_0000, 1, COMPACT | ASCII, &[b'a'; 0xffff]);
    let mut destination = std::vec![0; 0x1_0000];
    let header = &mut Window::zeroed();
    let object = layout().object;
    let copied = copy_text(&memory, &object, BASE, header, &mut destination, 0x1_0000);
    assert!(!copied.whole);
}

#[test]
fn a_limit_beyond_the_room_is_refused() {
    let memory = string(LIMIT as u64 + 1, 1, COMPACT | ASCII, &[b'a'; LIMIT + 1]);
    assert_eq!(copy_limited(&memory, BASE, LIMIT + 1).0, NOTHING);
}

#[test]
fn what_cannot_be_read_is_nothing() {
    let mut memory = string(4, 1, COMPACT | ASCII, b"main");
    assert_eq!(copy_limited(&memory, 0, LIMIT).0, NOTHING);
    assert_eq!(copy_limited(&memory, u64::MAX, LIMIT).0, NOTHING);
    // The header can be read, the last character cannot.
    memory.0.truncate(24 + 3);
    assert_eq!(copy(&memory).0, NOTHING);
}
