// SPDX-License-Identifier: MIT OR Apache-2.0

//! `GET /metrics`: the recorder, the disk and the server for Prometheus. No metric has a
//! label with a process: there would be as many series as processes that ever lived.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use hyper::header::{ACCEPT, HeaderMap};

use crate::documents::RecorderState;
use crate::front::context::{Client, Context};
use crate::front::error::ApiError;
use crate::front::openmetrics::{Exposition, Family, MetricType, Metrics};
use crate::front::reply::{self, HttpReply};
use crate::protocol::message::RecorderStatus;
use crate::state::reader::Survey;

/// The counters of the account that do not count samples: microseconds, maxima.
const NO_SAMPLES: [&str; 2] = ["_us", "_bytes"];
/// The counters of the account that are sums of others.
const SUMS: [&str; 4] = ["taken", "delivered", "refused", "shown"];

/// Answers `GET /metrics`. Without a recorder it says so, and has what it knows itself.
///
/// # Errors
/// 403: the client sees its own processes only. 503: the state directory cannot be read.
pub(crate) async fn get(
    context: &Context,
    client: &Client,
    headers: &HeaderMap,
) -> Result<HttpReply, ApiError> {
    if client.access.own_uid().is_some() {
        return Err(ApiError::forbidden(
            "metrics are about all processes; only root and members of the socket's group see them",
        ));
    }
    let accept = headers.get(ACCEPT).and_then(|it| it.to_str().ok());
    let exposition = Exposition::from_accept(accept.unwrap_or_default());
    let survey = context.read_state(|state| state.survey()).await?;
    let status = context.recorder.status().await.ok();
    let mut metrics = Metrics::new(exposition);
    about(&mut metrics, context);
    if let Some(seen) = &status {
        recorder(&mut metrics, &seen.status);
        account(&mut metrics, &seen.status.counters);
    }
    disk(&mut metrics, context, survey);
    server(&mut metrics, context);
    Ok(reply::bytes(exposition.content_type(), metrics.finish()))
}

fn gauge<'a>(name: &'a str, unit: &'a str, help: &'a str) -> Family<'a> {
    let metric_type = MetricType::Gauge;
    Family {
        metric_type,
        name,
        unit,
        help,
    }
}

fn counter<'a>(name: &'a str, unit: &'a str, help: &'a str) -> Family<'a> {
    let metric_type = MetricType::Counter;
    Family {
        metric_type,
        name,
        unit,
        help,
    }
}

fn about(metrics: &mut Metrics, context: &Context) {
    let family = Family {
        metric_type: MetricType::Info,
        name: "pyebpf_build",
        unit: "",
        help: "The program and its version.",
    };
    let labels = [("program", context.about.program.as_str())];
    metrics.family(family, [(&labels[..], 1.0)]);
    let is_up = context.recorder.state() == RecorderState::Running;
    let help = "Whether the recorder answers.";
    metrics.one(
        gauge("pyebpf_recorder_up", "", help),
        f64::from(u8::from(is_up)),
    );
    let help = "Number of times the recorder was restarted.";
    let restarts = context.recorder.restarts() as f64;
    metrics.one(counter("pyebpf_recorder_restarts", "", help), restarts);
    let help = "Messages from the recorder that could not be understood.";
    let family = counter("pyebpf_recorder_malformed_messages", "", help);
    metrics.one(family, context.recorder.malformed() as f64);
}

fn recorder(metrics: &mut Metrics, status: &RecorderStatus) {
    let seconds = |microseconds: u64| microseconds as f64 / 1e6;
    let start = gauge(
        "pyebpf_recorder_start_time_seconds",
        "seconds",
        "Start time of the recorder, in Unix time.",
    );
    metrics.one(start, seconds(status.since_us));
    let cpu = counter(
        "pyebpf_recorder_cpu_seconds",
        "seconds",
        "CPU time of the recorder and its eBPF programs.",
    );
    metrics.one(cpu, seconds(status.cpu_us));
    let memory = gauge(
        "pyebpf_recorder_resident_memory_bytes",
        "bytes",
        "Resident memory of the recorder.",
    );
    metrics.one(memory, status.rss_bytes as f64);
    let rate = gauge(
        "pyebpf_sampling_rate_hertz",
        "hertz",
        "Current number of samples per second on each CPU.",
    );
    metrics.one(rate, f64::from(status.hz));
    let base = gauge(
        "pyebpf_sampling_base_rate_hertz",
        "hertz",
        "Samples per second on each CPU while no recording asks for more.",
    );
    metrics.one(base, f64::from(status.base_hz));
    let behind = gauge(
        "pyebpf_recorder_behind_seconds",
        "seconds",
        "The longest time from taking a sample to reading it, in this chunk.",
    );
    metrics.one(behind, seconds(status.behind_us));
    let problems = gauge(
        "pyebpf_problems",
        "",
        "Number of problems; the status lists them.",
    );
    metrics.one(problems, status.problems.len() as f64);
    let bytes = gauge(
        "pyebpf_state_directory_bytes",
        "bytes",
        "Size of the state directory.",
    );
    metrics.one(bytes, status.disk_bytes as f64);
}

/// Writes the account of the samples. Its counters differ from recorder to recorder, so
/// their names are values of labels; what is not a number of samples has another family.
fn account(metrics: &mut Metrics, counters: &BTreeMap<String, u64>) {
    let is_of_samples = |name: &str| !NO_SAMPLES.iter().any(|unit| name.ends_with(unit));
    if let Some(taken) = counters.get("taken") {
        let help = "Samples that were taken.";
        metrics.one(counter("pyebpf_samples", "", help), *taken as f64);
    }
    let by_fate: Vec<_> = counters
        .iter()
        .filter(|(name, _)| is_of_samples(name) && !SUMS.contains(&name.as_str()))
        .map(|(name, count)| ([("name", name.as_str())], *count as f64))
        .collect();
    let help = "What became of the samples, and of what was kept, by the names that reports use.";
    let family = counter("pyebpf_account", "", help);
    metrics.family(
        family,
        by_fate.iter().map(|(labels, count)| (&labels[..], *count)),
    );
}

fn disk(metrics: &mut Metrics, context: &Context, survey: Survey) {
    let most = gauge(
        "pyebpf_state_directory_limit_bytes",
        "bytes",
        "Maximum size of the state directory.",
    );
    metrics.one(most, context.about.max_bytes as f64);
    let help = "Chunks in the state directory.";
    metrics.one(gauge("pyebpf_chunks", "", help), survey.chunks as f64);
    let help = "Chunks in the state directory that cannot be read.";
    metrics.one(
        gauge("pyebpf_chunks_damaged", "", help),
        survey.damaged as f64,
    );
    if let Some(from) = survey.from_us {
        let kept = gauge(
            "pyebpf_kept_from_time_seconds",
            "seconds",
            "Start of the oldest chunk, in Unix time.",
        );
        metrics.one(kept, from as f64 / 1e6);
    }
}

fn server(metrics: &mut Metrics, context: &Context) {
    let counters = &context.counters;
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    let labels = classes.map(|class| [("class", class)]);
    let counts = (1..=5).map(|class| counters.answers[class].load(Ordering::Relaxed) as f64);
    let family = counter(
        "pyebpf_http_answers",
        "",
        "Responses, by the class of their status.",
    );
    let all: Vec<_> = labels
        .iter()
        .map(|labels| &labels[..])
        .zip(counts)
        .collect();
    metrics.family(family, all);
    let open = gauge("pyebpf_http_connections", "", "Open connections.");
    metrics.one(open, context.connections.count() as f64);
    let streams = gauge(
        "pyebpf_http_streams",
        "",
        "Downloads and streams in progress.",
    );
    metrics.one(streams, context.streams.count() as f64);
    for (name, help, value) in [
        (
            "pyebpf_http_refused_connections",
            "Connections refused because too many were open.",
            &counters.refused_connections,
        ),
        (
            "pyebpf_http_aborted",
            "Responses that were begun but not completed.",
            &counters.aborted,
        ),
        (
            "pyebpf_http_panics",
            "Requests that ended with an internal error.",
            &counters.panics,
        ),
    ] {
        metrics.one(
            counter(name, "", help),
            value.load(Ordering::Relaxed) as f64,
        );
    }
}
