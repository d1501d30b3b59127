//! Any bytes as a JSON timeline: a trace or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_user::output::read_timeline_bytes;

fuzz_target!(|file: &[u8]| {
    let _ = read_timeline_bytes(file);
});
