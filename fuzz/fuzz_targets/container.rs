// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads any bytes as a container file: returns its complete segments or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_trace::container::load::read_bytes;

fuzz_target!(|file: &[u8]| {
    let _ = read_bytes(file);
});
