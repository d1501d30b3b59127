// SPDX-License-Identifier: MIT OR Apache-2.0

//! The words of three releases, and what damage does to them. These tests need no
//! interpreter.

use super::*;
use crate::cpython::layout_table::row;

/// CPython 3.13.18 for amd64.
const WORDS_3_13: [u64; 72] = [
    51188464, 0, 283408, 608, 632, 194984, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16, 7752, 0,
    7768, 7760, 312, 0, 8, 16, 72, 152, 160, 232, 32, 80, 8, 0, 56, 72, 70, 208, 112, 120, 128,
    136, 68, 52, 96, 104, 200, 16, 8, 416, 24, 88, 168, 32, 24, 16, 40, 24, 16, 48, 32, 40, 24, 16,
    32, 16, 24, 40, 16, 32, 64, 32, 16, 40, 240, 200,
];

/// CPython 3.14.10 for amd64.
pub(crate) const WORDS_3_14: [u64; 94] = [
    51251952, 0, 316616, 784, 808, 225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672, 7680, 16,
    7784, 0, 7800, 7792, 7992, 0, 832, 0, 8, 16, 72, 152, 160, 232, 32, 88, 8, 0, 56, 80, 74, 64,
    0, 216, 112, 120, 128, 136, 68, 52, 96, 104, 208, 0, 16, 8, 416, 24, 88, 168, 40, 32, 16, 40,
    24, 16, 200, 24, 40, 32, 48, 32, 40, 24, 16, 32, 16, 24, 40, 16, 32, 64, 32, 16, 40, 264, 192,
    160, 24, 72, 67, 0, 8, 24, 304, 8076, 0, 4, 512,
];

/// CPython 3.15.2 for amd64.
const WORDS_3_15: [u64; 110] = [
    51315440, 0, 346568, 912, 936, 226240, 7272, 7264, 7336, 7352, 7400, 7592, 7576, 7584, 16,
    7736, 0, 7752, 7744, 7944, 0, 888, 0, 8, 16, 72, 80, 88, 96, 176, 184, 256, 32, 36, 40, 136,
    288, 0, 88, 8, 0, 56, 80, 74, 64, 0, 216, 112, 120, 128, 136, 68, 52, 96, 104, 208, 0, 16, 8,
    424, 24, 88, 168, 32, 288, 944, 888, 40, 32, 16, 40, 24, 16, 200, 24, 40, 32, 48, 32, 40, 24,
    16, 32, 16, 24, 40, 16, 32, 64, 32, 16, 40, 56, 176, 112, 120, 1120, 104, 160, 24, 72, 67, 0,
    8, 24, 344, 8028, 0, 4, 512,
];

pub(crate) fn bytes(words: &[u64]) -> Vec<u8> {
    let words = words.iter().flat_map(|word| word.to_le_bytes());
    COOKIE.iter().copied().chain(words).collect()
}

fn parse(words: &[u64]) -> DebugOffsets {
    let parsed = DebugOffsets::parse(&bytes(words)).expect("a version");
    parsed.expect("the cookie")
}

fn apply(words: &[u64]) -> Result<LayoutRow, DebugOffsetsError> {
    let offsets = parse(words);
    let row = row(offsets.version).expect("a row");
    offsets.apply(row, Some(words[RUNTIME]))
}

fn releases() -> [&'static [u64]; 3] {
    [&WORDS_3_13, &WORDS_3_14, &WORDS_3_15]
}

#[test]
fn releases_say_what_the_table_says() {
    for words in releases() {
        let version = parse(words).version;
        let told = apply(words).expect("it is plausible");
        // The table leaves these out, since the size differs from release to release.
        assert_eq!(
            u64::from(told.life.runtime_size),
            words[RUNTIME],
            "{version}"
        );
        assert!(told.life.interp_id > 7000, "{version}");
        let told = LayoutRow {
            life: LifePlace::NONE,
            ..told
        };
        assert_eq!(Some(&told), row(version), "{version}");
    }
}

#[test]
fn what_the_interpreter_says_wins() {
    let mut words = WORDS_3_14;
    words[ORDER_THREAD_ID] += 8;
    let layout = apply(&words).expect("still plausible").layout;
    assert_eq!(layout.thread.thread_id, 160);
    assert_eq!(layout.thread.read_size, 168);
}

#[test]
fn a_key_beside_fields_that_moved_is_not_used() {
    let mut words = WORDS_3_14;
    words[RUNTIME + 2] += 8;
    let runtime = apply(&words).expect("still plausible").layout.runtime;
    assert_eq!(runtime.interpreters_head, 816);
    assert_eq!(runtime.tss_struct, ABSENT);
}

#[test]
fn older_interpreters_have_no_cookie() {
    assert_eq!(DebugOffsets::parse(&[0; MAX_SIZE]), Ok(None));
    assert_eq!(DebugOffsets::parse(b"xdebug"), Ok(None));
    assert_eq!(DebugOffsets::parse(&[]), Ok(None));
}

#[test]
fn unknown_orders_and_versions_are_refused() {
    let mut words = WORDS_3_15;
    words[0] = 0x0310_00f0;
    let row = row(PythonVersion::minor_only(3, 15)).expect("a row");
    let version = PythonVersion::minor_only(3, 16);
    let refused = parse(&words).apply(row, None);
    assert_eq!(refused, Err(DebugOffsetsError::WordOrder { version }));
    for (hex, free_threaded) in [(0, 0), (u64::MAX, 0), (words[0], 2)] {
        let bytes = bytes(&[hex, free_threaded]);
        let refused = DebugOffsets::parse(&bytes);
        assert_eq!(refused, Err(DebugOffsetsError::Version { hex }));
    }
}

#[test]
fn a_shifted_order_is_not_plausible() {
    // 3.15.0b3 had one word less, `last_profiled_frame_seq`.
    let mut words = WORDS_3_15.to_vec();
    words.remove(28);
    words.push(0);
    assert!(matches!(
        apply(&words),
        Err(DebugOffsetsError::Implausible { .. })
    ));
    let cut = &WORDS_3_13[..40];
    assert!(matches!(
        apply(cut),
        Err(DebugOffsetsError::Implausible { .. })
    ));
    let row = row(parse(&WORDS_3_13).version).expect("a row");
    let other_size = parse(&WORDS_3_13).apply(row, Some(4096));
    assert!(matches!(
        other_size,
        Err(DebugOffsetsError::Implausible { .. })
    ));
}

#[test]
fn no_number_leads_out_of_the_windows() {
    let values = [
        0,
        1,
        7,
        8,
        240,
        248,
        255,
        256,
        65_528,
        1 << 20,
        u64::MAX - 7,
        u64::MAX,
    ];
    for words in releases() {
        for index in 2..words.len() {
            for value in values {
                let mut words = words.to_vec();
                words[index] = value;
                let Ok(row) = apply(&words) else { continue };
                let layout = row.layout;
                for size in [
                    layout.thread.read_size,
                    layout.frame.read_size,
                    layout.code.read_size,
                    layout.object.str_ascii_data,
                ] {
                    assert!(
                        size <= MAX_WINDOW_OFFSET && size % 8 == 0,
                        "{index} {value}"
                    );
                }
            }
        }
    }
}

const ORDER_THREAD_ID: usize = 26;
