// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the profile says about itself: how it was taken, the categories of frames, the
//! kinds of markers.

use serde::Serialize;
use serde_json::{Value, json};

use crate::formats::sink::EXPORTER;
use crate::model::row::State;
use crate::query::view::TraceView;

/// The version of the format that is written.
const VERSION: u32 = 57;

/// The type of the markers that say why a thread waits.
pub(super) const WAITING_MARKER: &str = "Waiting";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    version: u32,
    preprocessed_profile_version: u32,
    /// Milliseconds between two samples.
    interval: f64,
    /// Unix time in milliseconds.
    start_time: f64,
    profiling_start_time: f64,
    profiling_end_time: f64,
    product: String,
    process_type: u32,
    stackwalk: u32,
    debug: bool,
    symbolicated: bool,
    imported_from: &'static str,
    categories: Vec<Category>,
    marker_schema: Value,
    sample_units: Value,
    keep_profile_thread_order: bool,
    uses_only_one_stack_type: bool,
    source_code_is_not_on_searchfox: bool,
    extra: Value,
}

#[derive(Serialize)]
struct Category {
    name: &'static str,
    color: &'static str,
    subcategories: [&'static str; 1],
}

impl Meta {
    pub(super) fn new(view: &TraceView<'_>) -> Self {
        let info = &view.trace().info;
        let interval = if info.hz > 0 {
            1000.0 / f64::from(info.hz)
        } else {
            1.0
        };
        let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
        Self {
            // The version of the format that Firefox itself writes; no reader looks at it here.
            version: 31,
            preprocessed_profile_version: VERSION,
            interval,
            start_time: milliseconds(info.unix_microseconds(view.start())),
            profiling_start_time: 0.0,
            profiling_end_time: milliseconds(view.microseconds(view.end())),
            product: match info.host.as_str() {
                "" => "Python".to_owned(),
                host => format!("Python on {host}"),
            },
            process_type: 0,
            stackwalk: 1,
            debug: false,
            symbolicated: true,
            imported_from: EXPORTER,
            categories: categories(),
            marker_schema: json!([{
                "name": WAITING_MARKER,
                "display": ["marker-chart", "marker-table", "timeline-overview"],
                "chartLabel": "{marker.name}",
                "tooltipLabel": "{marker.name}",
                "tableLabel": "{marker.name}",
                "description": "The thread does not run.",
                "fields": [],
            }]),
            sample_units: json!({"time": "ms", "eventDelay": "ms", "threadCPUDelta": "µs"}),
            keep_profile_thread_order: true,
            uses_only_one_stack_type: true,
            source_code_is_not_on_searchfox: true,
            extra: extra(view),
        }
    }
}

/// The recording and its account of samples, for the viewer's panel with details of the profile.
fn extra(view: &TraceView<'_>) -> Value {
    let trace = view.trace();
    let entry =
        |label: &str, value: &str| json!({"label": label, "format": "string", "value": value});
    let recording = [
        entry("Recorded by", &trace.info.program),
        entry("Host", &trace.info.host),
        entry("Kernel", &trace.info.kernel),
        entry("Mode", view.mode().name()),
        entry("Hz", &trace.info.hz.to_string()),
    ];
    let counts = trace.summary.counts.iter();
    let counts: Vec<_> = counts
        .map(|(name, count)| entry(name, &count.to_string()))
        .collect();
    json!([
        {"label": "Recording", "entries": recording},
        {"label": "Samples of the whole recording", "entries": counts},
    ])
}

/// One category for what is unknown, then one for each state.
fn categories() -> Vec<Category> {
    let category = |name, color| Category {
        name,
        color,
        subcategories: ["Other"],
    };
    let other = category("Other", "grey");
    let of_states = State::ALL.into_iter().map(|state| match state {
        State::None => category("Not sampled", "transparent"),
        State::Running => category("Python", "yellow"),
        State::Runnable => category("Waiting for a CPU", "brown"),
        State::WaitingForGil => category("Waiting for the GIL", "orange"),
        State::Lock => category("Waiting for a lock", "purple"),
        State::Io => category("Waiting for I/O", "blue"),
        State::Sleeping => category("Sleeping", "lightblue"),
        State::Stopped => category("Stopped", "red"),
        State::PageFault => category("Waiting for memory", "magenta"),
        State::Waiting => category("Waiting", "darkgrey"),
    });
    std::iter::once(other).chain(of_states).collect()
}

/// The category of a thread in this state.
pub(super) fn category_of(state: State) -> u8 {
    state.number() + 1
}
