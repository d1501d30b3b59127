//! Any bytes as a container file: its complete segments or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_user::trace::read_bytes;

fuzz_target!(|file: &[u8]| {
    let _ = read_bytes(file);
});
