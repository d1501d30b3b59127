//! Any bytes as collapsed stacks: a trace, which goes through its own format
//! unchanged from then on, or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sampler_user::convert::write_view;
use sampler_user::output::{Format, Shape, TraceView, read_folded_bytes};
use sampler_user::trace::Trace;

fuzz_target!(|file: &[u8]| {
    let Ok(trace) = read_folded_bytes(file) else {
        return;
    };
    let once = folded(&trace);
    if let Ok(again) = read_folded_bytes(&once) {
        assert_eq!(time(&again), time(&trace));
    } else {
        assert!(once.is_empty());
    }
});

fn folded(trace: &Trace) -> Vec<u8> {
    let mut out = Vec::new();
    let view = TraceView::whole(trace);
    write_view(&view, Format::Folded, Shape::default(), &mut out).expect("memory takes all");
    out
}

/// Microseconds with a stack, over all threads.
fn time(trace: &Trace) -> u64 {
    let view = TraceView::whole(trace);
    let rows = view.tracks().iter().flat_map(|&track| view.rows(track));
    rows.filter(|row| row.stack.0 != 0)
        .map(|row| row.microseconds())
        .sum()
}
