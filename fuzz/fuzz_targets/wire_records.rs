//! Any bytes as a record from the kernel: a record or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_user::bpf::events::decode;

fuzz_target!(|record: &[u8]| {
    let _ = decode(record);
});
