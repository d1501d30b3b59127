// SPDX-License-Identifier: MIT OR Apache-2.0

//! The container: what the reader returns for a whole file, for every truncated
//! one, and for damaged ones.

use sampler_trace::container::error::{Torn, TraceError};
use sampler_trace::container::index::read_index;
use sampler_trace::container::info::Mode;
use sampler_trace::container::load::{Trace, read_bytes};
use sampler_trace::container::reader::TraceReader;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::row::{State, TimelineRow, Weight};

use crate::sample_trace::{at, container, info};

fn rows(trace: &Trace) -> Vec<TimelineRow> {
    let tracks = trace.rows.tracks();
    tracks
        .iter()
        .flat_map(|&track| trace.rows.rows(track, trace.summary.end))
        .collect()
}

#[test]
fn everything_comes_back() {
    let bytes = container(Mode::Wall);
    let trace = read_bytes(&bytes).unwrap();
    assert_eq!(trace.info, info(Mode::Wall));
    assert_eq!(trace.torn, None);
    assert_eq!(trace.summary.end, at(3250));
    assert_eq!(trace.summary.counts["samples"], 30);
    let main = TrackId(0);
    let found: Vec<_> = trace
        .rows
        .rows(main, trace.summary.end)
        .map(|row| {
            (
                row.start,
                row.end,
                row.state,
                trace.symbols.depth(row.stack),
            )
        })
        .collect();
    let expected = [
        (at(0), at(100), State::None, 0),
        (at(100), at(300), State::Running, 1),
        (at(300), at(1100), State::Running, 3),
        (at(1100), at(1500), State::None, 0),
        (at(1500), at(1600), State::Running, 3),
        (at(1600), at(1750), State::Lock, 3),
        (at(1750), at(3250), State::WaitingForGil, 3),
    ];
    assert_eq!(found, expected);
    let index = read_index(&mut std::io::Cursor::new(&bytes), &trace.info)
        .unwrap()
        .unwrap();
    assert_eq!(
        index.iter().map(|entry| entry.rows).collect::<Vec<_>>(),
        [4, 5, 1, 0]
    );
    assert_eq!(
        index.first().map(|entry| entry.complete_until),
        Some(at(1000))
    );
}

/// Returns where each segment ends, and the time until which it is complete,
/// from the index.
fn segment_ends(bytes: &[u8]) -> Vec<(usize, KernelTime)> {
    let info = info(Mode::Cpu);
    let index = read_index(&mut std::io::Cursor::new(bytes), &info)
        .unwrap()
        .unwrap();
    let ends = index.iter().skip(1).map(|entry| entry.offset as usize);
    ends.zip(index.iter().map(|entry| entry.complete_until))
        .collect()
}

#[test]
fn a_file_cut_at_any_byte_yields_exactly_its_complete_segments() {
    let bytes = container(Mode::Cpu);
    let whole = read_bytes(&bytes).unwrap();
    let ends = segment_ends(&bytes);
    assert_eq!(ends.len(), 3);
    let mut with_rows = 0;
    for cut in 0..bytes.len() {
        let trace = match read_bytes(&bytes[..cut]) {
            Ok(trace) => trace,
            Err(TraceError::NoHeader | TraceError::NotATrace) => {
                assert!(cut < ends[0].0, "nothing was read of {cut} bytes");
                continue;
            }
            Err(error) => panic!("{cut} bytes: {error}"),
        };
        let complete = ends.iter().rev().find(|(end, _)| *end <= cut);
        let Some(&(_, until)) = complete else {
            assert!(trace.rows.is_empty());
            continue;
        };
        if trace.torn.is_some() {
            assert!(trace.torn.is_some_and(|Torn { at }| at as usize <= cut));
        } else {
            assert_eq!(trace.summary, whole.summary);
        }
        // Every row of a complete segment, cut off at the end of what is known,
        // and no other.
        let expected: Vec<_> = rows(&whole)
            .into_iter()
            .filter(|row| row.start < until)
            .map(|row| {
                let end = row.end.min(trace.summary.end);
                let length = end.since(row.start).as_micros() as u64;
                let weight = match row.stack {
                    StackId::EMPTY => Weight::ZERO,
                    _ => Weight::of_length(length),
                };
                TimelineRow { end, weight, ..row }
            })
            .collect();
        assert_eq!(rows(&trace), expected, "{cut} bytes");
        with_rows += 1;
    }
    assert!(with_rows > 100);
}

#[test]
fn a_flipped_bit_ends_the_file_and_never_changes_a_row() {
    let bytes = container(Mode::Cpu);
    let whole = rows(&read_bytes(&bytes).unwrap());
    for position in 12..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        match read_bytes(&damaged) {
            Ok(trace) => {
                for row in rows(&trace) {
                    assert!(
                        whole
                            .iter()
                            .any(|known| (known.track, known.start, known.stack)
                                == (row.track, row.start, row.stack)),
                        "byte {position}"
                    );
                }
            }
            Err(TraceError::NoHeader) => {}
            Err(error) => panic!("byte {position}: {error}"),
        }
    }
}

#[test]
fn another_version_is_refused_by_name() {
    let mut bytes = container(Mode::Cpu);
    bytes[8] = 9;
    let error = read_bytes(&bytes).unwrap_err();
    assert!(matches!(error, TraceError::Version { found: 9 }));
    assert!(error.to_string().contains("version 9"));
    assert!(matches!(read_bytes(b"{}"), Err(TraceError::NotATrace)));
}

#[test]
fn what_is_new_is_there_after_each_segment() {
    let bytes = container(Mode::Cpu);
    let mut reader = TraceReader::open(bytes.as_slice()).unwrap();
    let mut rows = 0;
    let mut seen = Vec::new();
    loop {
        let more = reader.next_segment(|change| {
            rows += 1;
            assert!(change.stack == StackId::EMPTY || change.stack.0 < 10);
            Ok::<_, TraceError>(())
        });
        if !more.unwrap() {
            break;
        }
        seen.push((
            rows,
            reader.symbols().stack_count(),
            reader.complete_until(),
        ));
    }
    assert_eq!(
        seen,
        [
            (4, 5, at(1000)),
            (7, 5, at(2000)),
            (8, 7, at(3000)),
            (8, 7, at(3250))
        ]
    );
    assert_eq!(reader.torn(), None);
}
