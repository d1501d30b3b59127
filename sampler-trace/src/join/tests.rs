// SPDX-License-Identifier: MIT OR Apache-2.0

//! Made-up recordings are split into chunks, and joined they are what they were.

use regex::Regex;

use crate::container::load::Trace;
use crate::convert::privacy::Privacy;
use crate::convert::selection::{Selection, TimePoint};
use crate::join::joiner::Joiner;
use crate::join::options::{JoinOptions, ProcessSelection};
use crate::join::samples::{Numbers, Recording, UNIX_US, account, assert_same, named, rows};

fn joined(chunks: &[Vec<u8>], options: JoinOptions) -> Trace {
    let mut joiner = Joiner::new(Vec::new(), options);
    for chunk in chunks {
        let end = joiner.add_chunk(&chunk[..]).unwrap();
        assert!(!end.is_damaged && end.torn.is_none());
    }
    Trace::read(&joiner.finish().unwrap()[..]).unwrap()
}

/// Up to four random times between which chunks are rotated.
fn times(numbers: &mut Numbers, recording: &Recording) -> Vec<u64> {
    let count = 1 + numbers.below(4);
    let mut times: Vec<_> = (0..count).map(|_| numbers.below(recording.end)).collect();
    times.sort_unstable();
    times.dedup();
    times.retain(|time| *time > 0);
    times
}

#[test]
fn joined_chunks_are_the_unbroken_recording() {
    for seed in 0..25 {
        let mut numbers = Numbers(seed);
        let recording = Recording::random(seed, 7, 20_000_000);
        let whole = Trace::read(&recording.whole()[..]).unwrap();
        let chunks = recording.chunks(&times(&mut numbers, &recording));
        let found = joined(&chunks, JoinOptions::default());
        assert_same(&rows(&found), &rows(&whole), &format!("seed {seed}"));
        assert_eq!(account(&found), account(&whole), "seed {seed}");
        assert_eq!(found.info, whole.info);
        assert_eq!(found.summary.end, whole.summary.end);
        assert_eq!(found.summary.rates, whole.summary.rates, "seed {seed}");
        assert_eq!(
            found.tracks.processes().len(),
            whole.tracks.processes().len()
        );
        assert!(found.torn.is_none());
    }
}

#[test]
fn a_cut_is_what_convert_selects_of_the_unbroken_recording() {
    let name = Regex::new("app-[01]").unwrap();
    for seed in 0..25 {
        let mut numbers = Numbers(seed);
        let recording = Recording::random(seed, 7, 20_000_000);
        let whole = Trace::read(&recording.whole()[..]).unwrap();
        let chunks = recording.chunks(&times(&mut numbers, &recording));
        let from = numbers.below(recording.end);
        let to = from + numbers.below(recording.end - from);
        let selection = Selection {
            from: Some(TimePoint::Unix(UNIX_US + from)),
            to: Some(TimePoint::Unix(UNIX_US + to)),
            process: Some(name.clone()),
            ..Selection::default()
        };
        let options = JoinOptions {
            from_us: Some(UNIX_US + from),
            to_us: Some(UNIX_US + to),
            processes: ProcessSelection {
                name: Some(name.clone()),
                ..ProcessSelection::default()
            },
            ..JoinOptions::default()
        };
        let found = joined(&chunks, options);
        let expected = selection.of(&whole).map(|view| named(&view));
        let expected = expected.unwrap_or_default();
        assert_same(&rows(&found), &expected, &format!("seed {seed}"));
    }
}

#[test]
fn what_is_private_is_not_in_the_bytes() {
    let recording = Recording::random(3, 7, 5_000_000);
    let chunks = recording.chunks(&[1_000_000]);
    let privacy = Privacy {
        no_source: true,
        no_command_line: true,
    };
    let open = joined(&chunks, JoinOptions::default());
    let closed = joined(
        &chunks,
        JoinOptions {
            privacy,
            ..JoinOptions::default()
        },
    );
    assert_eq!(rows(&open), rows(&closed));
    let secrets = |trace: &Trace| format!("{trace:?}").matches("secret").count();
    assert!(secrets(&open) > 3);
    assert_eq!(secrets(&closed), 0);
}

#[test]
fn a_stream_from_the_middle_on_is_what_convert_selects() {
    for seed in 0..25 {
        let mut numbers = Numbers(seed);
        let recording = Recording::random(seed, 7, 20_000_000);
        let whole = Trace::read(&recording.whole()[..]).unwrap();
        let chunks = recording.chunks(&times(&mut numbers, &recording));
        let from = UNIX_US + numbers.below(recording.end);
        let selection = Selection {
            from: Some(TimePoint::Unix(from)),
            ..Selection::default()
        };
        let options = JoinOptions {
            from_us: Some(from),
            ..JoinOptions::default()
        };
        let found = joined(&chunks, options);
        let expected = selection.of(&whole).map(|view| named(&view));
        let expected = expected.unwrap_or_default();
        assert_same(&rows(&found), &expected, &format!("seed {seed}"));
        assert_eq!(found.info.unix_start_us, from);
        // What the kernel counted is known of whole chunks alone.
        let (counts, _, threads) = account(&found);
        assert!(threads.is_empty() && !counts.contains_key("kernel_cpu_us"));
        assert_eq!(counts["taken"], account(&whole).0["taken"]);
    }
}
