// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chunks that are cut off, damaged, missing or out of order.

use std::collections::BTreeMap;

use crate::container::block::{self, Front};
use crate::container::error::TraceError;
use crate::container::load::Trace;
use crate::container::reader::TraceReader;
use crate::container::{MAGIC, VERSION};
use crate::join::error::JoinError;
use crate::join::joiner::Joiner;
use crate::join::options::{JoinOptions, ProcessSelection};
use crate::join::samples::{NamedRow, Numbers, Recording, UNIX_US, rows};
use crate::model::identifiers::FrameId;
use crate::model::row::{RowChange, State};

/// All changes in a file, and what they refer to; `None` without a header.
fn changes(file: &[u8]) -> Option<(TraceReader<&[u8]>, Vec<RowChange>)> {
    let mut reader = TraceReader::open(file).ok()?;
    let mut changes = Vec::new();
    let mut take = |change| {
        changes.push(change);
        Ok::<(), TraceError>(())
    };
    while reader.next_segment(&mut take).unwrap() {}
    Some((reader, changes))
}

/// The samples in a file, whatever a view makes of them: all and those in the kernel, in
/// nanoseconds, for each thread, stack and state. Waits can be left out.
fn sums(file: &[u8], only_running: bool) -> BTreeMap<(u32, String, State), [u64; 2]> {
    let Some((reader, changes)) = changes(file) else {
        return BTreeMap::new();
    };
    let mut sums = BTreeMap::new();
    for change in changes {
        if change.weight.is_zero() || only_running && change.state != State::Running {
            continue;
        }
        let (symbols, mut frames) = (reader.symbols(), Vec::<FrameId>::new());
        symbols.frames_of(change.stack, &mut frames);
        let names = frames.iter().map(|frame| {
            let frame = symbols.frame(*frame).unwrap();
            format!("{}:{}", symbols.string(frame.function), frame.line)
        });
        let stack = names.collect::<Vec<_>>().join(";");
        let tid = reader.tracks().track(change.track).unwrap().tid;
        let [all, system] = sums.entry((tid, stack, change.state)).or_insert([0; 2]);
        *all += change.weight.nanoseconds();
        *system += change.weight.system_nanoseconds();
    }
    sums
}

fn plus<K: Ord>(mut a: BTreeMap<K, [u64; 2]>, b: BTreeMap<K, [u64; 2]>) -> BTreeMap<K, [u64; 2]> {
    for (key, [all, system]) in b {
        let sum = a.entry(key).or_insert([0; 2]);
        *sum = [sum[0] + all, sum[1] + system];
    }
    a
}

fn check(trace: &Trace) -> &Trace {
    assert!(trace.torn.is_none());
    for track in trace.rows.tracks() {
        let mut last = trace.info.start;
        for row in trace.rows.rows(track, trace.summary.end) {
            assert!(last <= row.start && row.start <= row.end);
            last = row.end;
        }
    }
    trace
}

#[test]
fn a_chunk_that_is_cut_off_counts_up_to_there() {
    let recording = Recording::random(5, 4, 2_000_000);
    let chunks = recording.chunks(&[1_200_000]);
    let [first, second] = [&chunks[0], &chunks[1]];
    let after = sums(second, true);
    let mut torn = 0;
    for cut in 0..=first.len() {
        let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
        let end = joiner.add_chunk(&first[..cut]).unwrap();
        torn += usize::from(end.torn.is_some());
        assert!(!end.is_damaged);
        joiner.add_chunk(&second[..]).unwrap();
        let joined = joiner.finish().unwrap();
        check(&Trace::read(&joined[..]).unwrap());
        let before = sums(&first[..cut], true);
        assert_eq!(sums(&joined, true), plus(before, after.clone()), "{cut}");
    }
    // Cut after its summary, a file misses nothing but its index.
    assert!(torn > first.len() / 2 && torn < first.len());
}

#[test]
fn bytes_may_come_one_by_one_and_the_output_is_whole_each_time() {
    let recording = Recording::random(6, 4, 3_000_000);
    let chunks = recording.chunks(&[900_000, 2_000_000]);
    let mut all = Joiner::new(Vec::new(), JoinOptions::default());
    let mut one = Joiner::new(Vec::new(), JoinOptions::default());
    let (mut last, mut outputs) = (0, 0);
    for chunk in &chunks {
        all.add_chunk(&chunk[..]).unwrap();
        for (at, byte) in chunk.iter().enumerate() {
            if at % 97 == 0 {
                // A client that has lost its connection asks for the rest of the block.
                let from = one.resume() as usize;
                one.feed(&chunk[from..at]).unwrap();
            }
            one.feed(&[*byte]).unwrap();
            let output = one.output().unwrap();
            if output.len() > last {
                (last, outputs) = (output.len(), outputs + 1);
                let so_far = Trace::read(&output[..]).unwrap();
                assert_eq!(so_far.torn.unwrap().at, last as u64);
            }
        }
        one.end_chunk().unwrap();
    }
    assert!(outputs > 10, "{outputs}");
    assert_eq!(one.finish().unwrap(), all.finish().unwrap());
}

/// The blocks of a file: the kind and the data of each.
fn blocks(file: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = &file[MAGIC.len() + 4..];
    let mut blocks = Vec::new();
    while let Front::Block(block) = block::front(rest) {
        rest = &rest[block.length as usize..];
        blocks.push((block.kind, block.into_data().unwrap()));
    }
    blocks
}

fn file(blocks: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    for (kind, data) in blocks {
        file.extend(block::encode(*kind, data).unwrap());
    }
    file
}

#[test]
fn a_forged_chunk_spoils_nothing_but_itself() {
    let recording = Recording::random(8, 4, 3_000_000);
    let chunks = recording.chunks(&[1_000_000, 2_000_000]);
    let mut numbers = Numbers(1);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..700 {
        let mut forged = blocks(&chunks[1]);
        for _ in 0..=numbers.below(3) {
            // The header stays what it is: forged clocks have tests of their own.
            let at = 1 + numbers.below(forged.len() as u64 - 1) as usize;
            let data = &mut forged[at].1;
            let byte = numbers.below(data.len() as u64) as usize;
            match numbers.below(3) {
                0 => data[byte] = numbers.below(256) as u8,
                1 => data.insert(byte, numbers.below(256) as u8),
                _ => drop(data.remove(byte)),
            }
        }
        let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
        joiner.add_chunk(&chunks[0][..]).unwrap();
        let end = joiner.add_chunk(&file(&forged)[..]).unwrap();
        joiner.add_chunk(&chunks[2][..]).unwrap();
        let joined = Trace::read(&joiner.finish().unwrap()[..]).unwrap();
        let damaged = joined.summary.counts.get("damaged_chunks");
        assert_eq!(damaged, end.is_damaged.then_some(&1), "{round}");
        check(&joined);
        match end.is_damaged {
            true => refused += 1,
            false => taken += 1,
        }
    }
    assert!(taken > 30 && refused > 200, "{taken} {refused}");
}

#[test]
fn damage_is_told_once_and_the_next_chunk_is_taken() {
    let recording = Recording::random(9, 3, 2_000_000);
    let chunks = recording.chunks(&[1_000_000]);
    let mut damaged = chunks[0].clone();
    let at = damaged.len() / 2;
    damaged[at] ^= 0x40;
    let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
    let error = joiner.feed(&damaged).unwrap_err();
    let JoinError::Chunk(TraceError::Damaged { at: block, .. }) = error else {
        panic!("{error}");
    };
    assert!(block <= at as u64 && block == joiner.consumed());
    joiner.feed(b"whatever follows").unwrap();
    assert!(joiner.end_chunk().unwrap().is_damaged);
    assert!(!joiner.add_chunk(&chunks[1][..]).unwrap().is_damaged);
    let error = joiner.add_chunk(&b"no trace at all"[..]).unwrap_err();
    assert!(matches!(error, JoinError::Chunk(TraceError::NotATrace)));
    let joined = Trace::read(&joiner.finish().unwrap()[..]).unwrap();
    assert_eq!(joined.summary.counts["damaged_chunks"], 2);
    check(&joined);
    let nothing = Joiner::new(Vec::new(), JoinOptions::default()).finish();
    assert!(matches!(nothing, Err(JoinError::Empty)));
}

/// All of a row's time that lies between two times, in microseconds.
fn inside(row: &NamedRow, from: u64, to: u64) -> u64 {
    row.end.min(to).saturating_sub(row.start.max(from))
}

#[test]
fn a_missing_chunk_is_a_gap_in_every_row() {
    for seed in 0..10 {
        let recording = Recording::random(seed, 5, 9_000_000);
        let chunks = recording.chunks(&[3_000_000, 6_000_000]);
        let whole = Trace::read(&recording.whole()[..]).unwrap();
        let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
        joiner.add_chunk(&chunks[0][..]).unwrap();
        joiner.add_chunk(&chunks[2][..]).unwrap();
        let joined = joiner.finish().unwrap();
        let expected = plus(sums(&chunks[0], true), sums(&chunks[2], true));
        assert_eq!(sums(&joined, true), expected);
        let joined = Trace::read(&joined[..]).unwrap();
        let start = whole.info.start.0 / 1000;
        let (from, to) = (start + 3_000_000, start + 6_000_000);
        let lived = |rows: &[NamedRow], (from, to): (u64, u64)| -> u64 {
            let shown = rows.iter().filter(|row| row.state != State::None);
            shown.map(|row| inside(row, from, to)).sum()
        };
        let whole = rows(&whole);
        for (thread, rows) in rows(check(&joined)) {
            assert_eq!(lived(&rows, (from, to)), 0, "{seed} {thread}");
            for part in [(start, from), (to, start + 9_000_000)] {
                assert_eq!(lived(&rows, part), lived(&whole[&thread], part));
            }
        }
    }
}

/// For each thread of a file whose first row is a wait that goes on from before its start:
/// how long that lasts, and what its samples stand for, in nanoseconds.
fn waits_from_before(file: &[u8]) -> BTreeMap<u32, (u64, u64)> {
    let (reader, changes) = changes(file).unwrap();
    let start = reader.info().start;
    let mut waits: BTreeMap<_, (RowChange, Option<u64>, u64)> = BTreeMap::new();
    for change in changes {
        let (first, end, weight) = waits.entry(change.track).or_insert((change, None, 0));
        if (first.stack, first.state) != (change.stack, change.state) {
            end.get_or_insert(change.time.0 - first.time.0);
        } else if end.is_none() {
            *weight += change.weight.nanoseconds();
        }
    }
    let from_before = waits
        .into_iter()
        .filter_map(|(track, (first, end, weight))| {
            let is_from_before = first.time == start && first.state != State::Running;
            let tid = reader.tracks().track(track).unwrap().tid;
            is_from_before.then_some((tid, (end?, weight)))
        });
    from_before.collect()
}

#[test]
fn a_wait_from_a_chunk_that_is_not_there_is_not_longer_than_the_chunks() {
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..30 {
        let recording = Recording::random(seed, 5, 9_000_000);
        let chunks = recording.chunks(&[6_000_000]);
        let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
        joiner.add_chunk(&chunks[1][..]).unwrap();
        let found = waits_from_before(&joiner.finish().unwrap());
        let expected = waits_from_before(&chunks[1]);
        assert!(found.keys().eq(expected.keys()));
        for (tid, (length, weight)) in expected {
            assert_eq!(found[&tid], (length, weight.min(length)), "{seed} {tid}");
            match weight > length {
                true => cut += 1,
                false => whole += 1,
            }
        }
    }
    assert!(whole > 5 && cut > 5, "{whole} {cut}");
}

/// The same chunk with another boot id and another Unix time.
fn rebooted(chunk: &[u8], unix_start_us: u64) -> Vec<u8> {
    let mut blocks = blocks(chunk);
    let mut header: serde_json::Value = serde_json::from_slice(&blocks[0].1).unwrap();
    header["boot"] = "another".into();
    header["unix_start_us"] = unix_start_us.into();
    header["start_ns"] = "7000000000".into();
    header["carries_on"] = false.into();
    blocks[0].1 = serde_json::to_vec(&header).unwrap();
    file(&blocks)
}

#[test]
fn another_boot_has_its_place_and_its_own_threads() {
    let recording = Recording::random(2, 4, 4_000_000);
    let chunks = recording.chunks(&[2_000_000]);
    // Ten seconds later, and with a clock that was set back.
    for (unix_us, starts) in [
        (UNIX_US + 12_000_000, 12_000_000),
        (UNIX_US - 77, 2_000_000),
    ] {
        let second = rebooted(&chunks[1], unix_us);
        let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
        joiner.add_chunk(&chunks[0][..]).unwrap();
        joiner.add_chunk(&second[..]).unwrap();
        let joined = joiner.finish().unwrap();
        assert_eq!(
            sums(&joined, false),
            plus(sums(&chunks[0], false), sums(&second, false))
        );
        let joined = Trace::read(&joined[..]).unwrap();
        check(&joined);
        let length = joined.summary.end.since(joined.info.start).as_micros();
        assert_eq!(length, u128::from(starts + 2_000_000_u64));
        let [a, b] = [&chunks[0], &chunks[1]].map(|it| Trace::read(&it[..]).unwrap());
        let of = |trace: &Trace| trace.rows.tracks().len();
        assert_eq!(of(&joined), of(&a) + of(&b));
        assert_eq!(joined.info.boot, a.info.boot);
    }
}

#[test]
fn clocks_that_make_no_sense_make_a_trace() {
    let recording = Recording::random(2, 4, 2_000_000);
    let chunks = recording.chunks(&[1_000_000]);
    let mut numbers = Numbers(3);
    for _ in 0..300 {
        let mut joiner = Joiner::new(
            Vec::new(),
            JoinOptions {
                from_us: (numbers.below(2) == 0).then(|| UNIX_US + numbers.below(3_000_000)),
                to_us: (numbers.below(2) == 0).then(|| UNIX_US + numbers.below(3_000_000)),
                ..JoinOptions::default()
            },
        );
        for chunk in [&chunks[0], &chunks[1], &chunks[0]] {
            let mut blocks = blocks(chunk);
            let mut header: serde_json::Value = serde_json::from_slice(&blocks[0].1).unwrap();
            let odd = [0, 1, 999, u64::MAX / 3, UNIX_US, UNIX_US + 500_000];
            let mut pick = || odd[numbers.below(6) as usize];
            header["unix_start_us"] = pick().into();
            header["start_ns"] = pick().to_string().into();
            header["boot"] = ["", "a", "b"][pick() as usize % 3].into();
            header["carries_on"] = (pick() % 2 == 0).into();
            blocks[0].1 = serde_json::to_vec(&header).unwrap();
            joiner.add_chunk(&file(&blocks)[..]).unwrap();
        }
        check(&Trace::read(&joiner.finish().unwrap()[..]).unwrap());
    }
}

#[test]
fn a_user_sees_only_what_is_known_to_be_their_own() {
    let recording = Recording::random(7, 9, 3_000_000);
    let chunks = recording.chunks(&[1_000_000, 2_000_000]);
    let seen = |uid, pids: Option<&[u32]>| {
        let mut joiner = Joiner::new(
            Vec::new(),
            JoinOptions {
                processes: ProcessSelection {
                    uid: Some(uid),
                    pids: pids.map(|pids| pids.iter().copied().collect()),
                    ..ProcessSelection::default()
                },
                ..JoinOptions::default()
            },
        );
        for chunk in &chunks {
            joiner.add_chunk(&chunk[..]).unwrap();
        }
        let trace = Trace::read(&joiner.finish().unwrap()[..]).unwrap();
        let processes = trace.tracks.processes().iter();
        let names: Vec<_> = processes.map(|process| process.name.clone()).collect();
        assert_eq!(trace.summary.processes.len(), names.len());
        assert_eq!(trace.rows.is_empty(), names.is_empty());
        names
    };
    assert_eq!(seen(1001, None), ["app-1"]);
    assert_eq!(seen(1002, Some(&[802, 800])), ["app-2"]);
    assert!(seen(1002, Some(&[801])).is_empty());
    // The user of app-0 is not known.
    assert!(seen(0, None).is_empty() && seen(1000, None).is_empty());
}
