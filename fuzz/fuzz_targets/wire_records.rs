// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decodes any bytes as a record from the kernel: returns a record or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_user::capture::bpf::events::decode;

fuzz_target!(|record: &[u8]| {
    let _ = decode(record);
});
