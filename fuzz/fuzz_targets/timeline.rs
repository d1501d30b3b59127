// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads any bytes as a JSON timeline: returns a trace or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_trace::formats::json_reader::read_timeline_bytes;

fuzz_target!(|file: &[u8]| {
    let _ = read_timeline_bytes(file);
});
