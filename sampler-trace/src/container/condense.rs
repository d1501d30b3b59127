// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a complete container anew, in as few segments as possible. A recording writes a
//! segment every few seconds, so that little is lost when it is killed; each of them repeats
//! the rows that go on, and begins a run for each of their threads.

use std::io::{Read, Write};

use crate::container::error::TraceError;
use crate::container::reader::TraceReader;
use crate::container::writer::TraceWriter;

/// Copies a container with the same content. Returns the output, or `None` if the container
/// is not complete. Uses memory for all rows at once.
///
/// # Errors
/// As [`TraceReader::open`] and [`TraceReader::next_segment`], and [`TraceError::Write`].
pub fn condense<W: Write>(input: impl Read, output: W) -> Result<Option<W>, TraceError> {
    let mut reader = TraceReader::open(input)?;
    let mut writer = TraceWriter::create(output, reader.info())?;
    while reader.next_segment(|row| {
        writer.continue_row(&row);
        Ok::<(), TraceError>(())
    })? {}
    if reader.torn().is_some() {
        return Ok(None);
    }
    let (_, symbols, mut tracks, summary) = reader.into_parts();
    writer.finish(&summary, &symbols, &mut tracks).map(Some)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::container::info::{ProcessCounts, Summary, ThreadCpuTime, TraceInfo};
    use crate::container::load::Trace;
    use crate::model::identifiers::{KernelTime, ProcessIndex, StackId, TrackId};
    use crate::model::intern::SymbolInterner;
    use crate::model::row::{RowChange, State, TimelineRow, Weight};
    use crate::model::symbols::Frame;
    use crate::model::track::{ProcessInfo, Track, Tracks};

    const SECOND: u64 = 1_000_000_000;
    const TRACK: TrackId = TrackId(0);

    fn time(milliseconds: u64) -> KernelTime {
        KernelTime(SECOND + milliseconds * 1_000_000)
    }

    /// A recording of a thread that waits for a minute, and runs at two places once in a
    /// while; and of a process that ended half-way.
    fn recorded() -> (TraceWriter<Vec<u8>>, Summary, SymbolInterner, Tracks) {
        let info = TraceInfo {
            start: time(0),
            carries_on: true,
            ..TraceInfo::default()
        };
        let mut writer = TraceWriter::create(Vec::new(), &info).expect("memory");
        let (mut symbols, mut tracks) = (SymbolInterner::default(), Tracks::default());
        let process = tracks.add_process(ProcessInfo::titled(7, "one"));
        let other = tracks.add_process(ProcessInfo::titled(8, "two"));
        let [thread, ended] = [process, other].map(|process| {
            tracks.add_track(Track {
                process,
                tid: 7 + process.0,
                ..Track::default()
            })
        });
        let mut stacks = Vec::new();
        for line in 0..30 {
            let frame = symbols.frame(Frame {
                line,
                ..Frame::default()
            });
            stacks.push(symbols.stack(StackId::EMPTY, frame));
        }
        let weight = |count| Weight::of_samples(100_000_000, count);
        let change = |track, at, stack, state, weight| RowChange {
            track,
            time: time(at),
            stack,
            state,
            weight,
        };
        writer.change(&change(ended, 0, stacks[1], State::Io, weight(3)));
        for second in 0..60 {
            let at = second * 1000;
            if second % 20 == 0 {
                let stack = stacks[second as usize / 20];
                let running = change(thread, at, stack, State::Running, Weight::ZERO);
                writer.change(&running);
                writer.weigh(
                    thread,
                    time(at),
                    Weight {
                        system: 1,
                        ..weight(1)
                    },
                );
                writer.change(&change(
                    thread,
                    at + 200,
                    stacks[9],
                    State::Sleeping,
                    weight(2),
                ));
            }
            writer.weigh(thread, time(at + 500), weight(8));
            // Another rate for some time: two parts of a row.
            if second == 30 {
                writer.weigh(thread, time(at + 700), Weight::of_samples(10_000_000, 5));
            }
            if second % 2 == 1 {
                let flushed = writer.flush(time(at + 900), symbols.symbols(), &mut tracks);
                flushed.expect("memory");
            }
            if second == 20 {
                writer.change(&change(
                    ended,
                    at,
                    StackId::EMPTY,
                    State::None,
                    Weight::ZERO,
                ));
                let summary = Summary {
                    end: time(at),
                    counts: [("taken".to_owned(), 5)].into(),
                    processes: vec![ProcessCounts {
                        process: ProcessIndex(1),
                        counts: [("taken".to_owned(), 3)].into(),
                    }],
                    threads: vec![ThreadCpuTime {
                        track: ended,
                        user_us: 8,
                        system_us: 9,
                    }],
                    ..Summary::default()
                };
                let flushed = writer.flush(time(at), symbols.symbols(), &mut tracks);
                flushed.expect("memory");
                writer.account(&summary).expect("memory");
            }
        }
        let summary = Summary {
            end: time(60_000),
            counts: [("taken".to_owned(), 500)].into(),
            processes: vec![ProcessCounts {
                process: ProcessIndex(0),
                counts: [("taken".to_owned(), 497)].into(),
            }],
            threads: vec![ThreadCpuTime {
                track: TRACK,
                user_us: 5,
                system_us: 6,
            }],
            ..Summary::default()
        };
        (writer, summary, symbols, tracks)
    }

    fn bytes() -> Vec<u8> {
        let (writer, summary, symbols, mut tracks) = recorded();
        let written = writer.finish(&summary, symbols.symbols(), &mut tracks);
        written.expect("memory")
    }

    #[test]
    fn it_says_the_same_in_fewer_bytes() {
        let before = bytes();
        let after = condense(before.as_slice(), Vec::new());
        let after = after.expect("intact").expect("complete");
        assert!(
            after.len() * 2 < before.len(),
            "{} of {}",
            after.len(),
            before.len()
        );
        let [before, after] = [before, after].map(|bytes| Trace::read(&*bytes).expect("intact"));
        assert_eq!(after.torn, None);
        assert_eq!(
            (&after.info, &after.summary),
            (&before.info, &before.summary)
        );
        assert_eq!(after.tracks.tracks(), before.tracks.tracks());
        assert_eq!(after.tracks.processes(), before.tracks.processes());
        assert_eq!(after.summary.processes.len(), 2);
        assert_eq!(after.summary.threads.len(), 2);
        let rows = |trace: &Trace, track| {
            let rows = trace.rows.rows(track, trace.summary.end);
            let row = |row: TimelineRow| {
                let weight = (row.weight.nanoseconds(), row.weight.system_nanoseconds());
                (row.start, row.end, row.stack, row.state, weight)
            };
            rows.map(row).collect::<Vec<_>>()
        };
        for track in [TRACK, TrackId(1)] {
            let of = |trace| rows(trace, track);
            assert_eq!(of(&after), of(&before));
            assert!(!of(&after).is_empty());
        }
        assert_eq!(after.symbols.stack_count(), before.symbols.stack_count());
        let longest = rows(&after, TRACK)
            .iter()
            .map(|row| row.1.since(row.0))
            .max();
        assert!(longest > Some(Duration::from_secs(19)));
    }

    #[test]
    fn one_that_was_cut_off_is_left_alone() {
        let (mut writer, summary, symbols, mut tracks) = recorded();
        writer
            .flush(summary.end, symbols.symbols(), &mut tracks)
            .expect("memory");
        let torn = writer.output().clone();
        assert_eq!(
            condense(torn.as_slice(), Vec::new()).expect("intact so far"),
            None
        );
        let whole = bytes();
        let cut = &whole[..whole.len() / 2];
        assert_eq!(condense(cut, Vec::new()).expect("intact so far"), None);
    }
}
