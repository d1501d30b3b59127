// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads any bytes inside blocks whose checksums are right: reaches the code that
//! checksums hide from the target `container`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_trace::container::load::read_bytes;

const START: &[u8] = b"\x89pyebpf\n\x01\0\0\0";
const HEADER: &[u8] = br#"{"hz":10,"mode":"cpu","host":"h","kernel":"k","start_ns":"5123000","unix_start_us":1352241181539376,"program":"pyebpf","command":[]}"#;

fuzz_target!(|blocks: Vec<(u8, Vec<u8>)>| {
    let mut file = START.to_vec();
    block(&mut file, 1, HEADER);
    for (kind, data) in &blocks {
        block(&mut file, kind % 6, data);
    }
    let _ = read_bytes(&file);
});

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
