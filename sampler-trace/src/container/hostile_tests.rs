// SPDX-License-Identifier: MIT OR Apache-2.0

//! Segments with a correct checksum and invalid content.

use crate::container::block::kind;
use crate::container::error::TraceError;
use crate::container::info::TraceInfo;
use crate::container::load::{Trace, read_bytes};
use crate::container::{MAGIC, VERSION, block};
use crate::model::varint::put;

fn file(segment: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    let header = serde_json::to_vec(&TraceInfo::default()).unwrap();
    bytes.extend(block::encode(kind::HEADER, &header).unwrap());
    bytes.extend(block::encode(kind::SEGMENT, segment).unwrap());
    bytes
}

fn varints(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    numbers.iter().for_each(|&number| put(&mut bytes, number));
    bytes
}

fn read(segment: &[u64]) -> Result<Trace, TraceError> {
    read_bytes(&file(&varints(segment)))
}

/// Complete until 9; string "a"; a frame of it at line 7; a stack of that frame; an
/// unnamed process and thread; two rows.
const GOOD: [u64; 37] = [
    9, 1, 1, 97, 1, 1, 1, 7, 1, 1, 1, 0, 1, 0, 5, 6, 0, 0, 0, 1, 0, 0, 5, 1, 0, 0, 1, 0, 2, 3, 1,
    4, 2, 3, 0, 0, 0,
];

#[test]
fn the_good_segment_is_good() {
    let trace = read(&GOOD).unwrap();
    assert_eq!(trace.rows.len(), 2);
    assert_eq!(trace.summary.end.0, 9000);
    assert_eq!(trace.tracks.tracks().len(), 1);
}

#[test]
fn every_number_of_a_segment_is_checked() {
    const HUGE: u64 = (1 << 53) - 1;
    let mut wrong = Vec::new();
    for (position, value, why) in [
        (0, HUGE, ""),
        (1, HUGE, "cut off"),
        (2, HUGE, "cut off or too long"),
        (3, 0xff, "not UTF-8"),
        (4, HUGE, "string number 5"),
        (5, 2, "string number 2"),
        (7, 1 << 32, "too large"),
        (10, 0, "called by a later one"),
        (10, 2, "called by a later one"),
        (11, 1, "frame number 1"),
        (13, 1, "out of order"),
        (20, 1, "out of order"),
        (21, 1, "process that is not defined"),
        (27, 1, "thread that is not defined"),
        (28, 0, "not as long"),
        (28, 3, "not as long"),
        (28, 1 << 40, "not as long"),
        (30, HUGE, "not as long"),
        (33, 5, "not defined"),
        (35, HUGE, "not as long"),
    ] {
        let mut segment = GOOD;
        segment[position] = value;
        let message = read(&segment)
            .err()
            .map_or_else(String::new, |error| error.to_string());
        let right = if why.is_empty() {
            message.is_empty()
        } else {
            message.contains(why)
        };
        if !right {
            wrong.push(format!(
                "number {position} as {value}: {message:?}, not {why:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_text_that_is_not_utf8_is_refused() {
    let mut segment = varints(&GOOD);
    segment[3] = 0xc3;
    let error = read_bytes(&file(&segment)).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[test]
fn any_change_of_a_segment_is_an_error_or_a_trace() {
    let good = varints(&GOOD);
    let mut seed = 1_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut segment = good.clone();
        for _ in 0..=next(3) {
            let at = next(segment.len());
            match next(3) {
                0 => segment[at] = next(256) as u8,
                1 => segment.insert(at, next(256) as u8),
                _ => drop(segment.remove(at)),
            }
        }
        match read_bytes(&file(&segment)) {
            Ok(trace) => {
                taken += 1;
                for track in trace.rows.tracks() {
                    let mut rows = trace.rows.rows(track, trace.summary.end);
                    assert!(rows.all(|row| row.start <= row.end));
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        taken > 100 && refused > 1000,
        "{taken} taken, {refused} refused"
    );
}

#[test]
fn a_time_past_the_end_of_the_clock_is_refused() {
    let info = TraceInfo {
        start: crate::model::identifiers::KernelTime(u64::MAX),
        ..TraceInfo::default()
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    let header = serde_json::to_vec(&info).unwrap();
    bytes.extend(block::encode(kind::HEADER, &header).unwrap());
    bytes.extend(block::encode(kind::SEGMENT, &varints(&GOOD)).unwrap());
    let error = read_bytes(&bytes).unwrap_err();
    assert!(error.to_string().contains("end of the clock"), "{error}");
}
