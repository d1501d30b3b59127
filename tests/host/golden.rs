//! Each format's bytes against a file that a person has looked at. Run with
//! `PYEBPF_BLESS=1` to accept what comes out, and read the difference.

use std::path::PathBuf;

use sampler_user::convert::write_view;
use sampler_user::output::{Format, Order, TraceView};
use sampler_user::trace::{Mode, Trace};

use crate::sample_trace;

fn check(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    if std::env::var_os("PYEBPF_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_default();
    assert!(
        golden == bytes,
        "{name} differs from its golden file; what came out:\n{}",
        String::from_utf8_lossy(bytes)
    );
}

pub(crate) fn json(trace: &Trace, order: Order) -> Vec<u8> {
    let mut out = Vec::new();
    write_view(
        &TraceView::whole(trace),
        Format::TimelineJson,
        order,
        &mut out,
    )
    .unwrap();
    out
}

#[test]
fn timeline_json_by_thread() {
    check(
        "by_thread.json",
        &json(&sample_trace::trace(Mode::Cpu), Order::Thread),
    );
}

#[test]
fn timeline_json_by_time() {
    check(
        "by_time.json",
        &json(&sample_trace::trace(Mode::Cpu), Order::Time),
    );
}

#[test]
fn timeline_json_with_states() {
    check(
        "wall.json",
        &json(&sample_trace::trace(Mode::Wall), Order::Thread),
    );
}
