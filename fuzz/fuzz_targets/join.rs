// SPDX-License-Identifier: MIT OR Apache-2.0

//! Joins chunks of any bytes inside blocks whose checksums are right, fed in pieces of any
//! size: the joined trace is always one that can be read to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_trace::container::load::read_bytes;
use sampler_trace::join::error::JoinError;
use sampler_trace::join::joiner::Joiner;
use sampler_trace::join::options::JoinOptions;

const START: &[u8] = b"\x89pyebpf\n\x01\0\0\0";

/// The clocks of a chunk: its start in milliseconds on the clock of the kernel and in Unix
/// time, whether the kernel was started anew, and whether the chunk goes on from another.
type Clocks = (u16, u16, bool, bool);
type Blocks = Vec<(u8, Vec<u8>)>;

fuzz_target!(
    |input: (Vec<(Clocks, Blocks)>, Option<u16>, Option<u16>, u8)| {
        let (chunks, from, to, piece) = input;
        let microseconds = |time: u16| u64::from(time) * 1000;
        let options = JoinOptions {
            from_us: from.map(microseconds),
            to_us: to.map(microseconds),
            ..JoinOptions::default()
        };
        let mut joiner = Joiner::new(Vec::new(), options);
        for (clocks, blocks) in &chunks {
            let mut file = START.to_vec();
            block(&mut file, 1, header(*clocks).as_bytes());
            for (kind, data) in blocks {
                block(&mut file, kind % 6, data);
            }
            for bytes in file.chunks(usize::from(piece) + 1) {
                match joiner.feed(bytes) {
                    Ok(()) | Err(JoinError::Chunk(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            joiner.end_chunk().expect("memory can be written");
        }
        if let Ok(joined) = joiner.finish() {
            let trace = read_bytes(&joined).expect("a joined trace can be read");
            assert!(trace.torn.is_none());
        }
    }
);

fn header((start, unix, is_new, carries_on): Clocks) -> String {
    format!(
        r#"{{"hz":10,"mode":"wall","host":"h","kernel":"k","start_ns":"{start}000000","unix_start_us":{unix}000,"program":"p","command":[],"boot":"{}","carries_on":{carries_on}}}"#,
        if is_new { "a" } else { "b" },
    )
}

/// Appends a block without compression.
fn block(file: &mut Vec<u8>, kind: u8, data: &[u8]) {
    let length = u32::try_from(data.len())
        .expect("an input has less than 4 GiB")
        .to_le_bytes();
    let head = [&[kind, 0, 0, 0], length.as_slice(), length.as_slice()].concat();
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&head);
    checksum.update(data);
    file.extend(head);
    file.extend(checksum.finalize().to_le_bytes());
    file.extend(data);
}
