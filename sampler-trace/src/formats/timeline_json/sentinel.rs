// SPDX-License-Identifier: MIT OR Apache-2.0

//! The fifth element of the last row: everything that the rows do not say.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use crate::container::info::Counts;
use crate::formats::json_text;
use crate::formats::sink::RowOrder;
use crate::formats::timeline_json::states::Columns;
use crate::formats::timeline_json::thread_rows::ThreadRows;
use crate::model::row::State;
use crate::query::view::TraceView;

#[derive(Serialize)]
struct Head<'a> {
    pyebpf: u32,
    order: &'static str,
    #[serde(flatten)]
    recording: RecordingFields<'a>,
    threads: Vec<Thread<'a>>,
    processes: Vec<Process<'a>>,
    counts: Cow<'a, Counts>,
    states: Vec<&'static str>,
}

/// How the trace was recorded.
#[derive(Serialize)]
struct RecordingFields<'a> {
    hz: u32,
    mode: &'static str,
    host: &'a str,
    kernel: &'a str,
    program: &'a str,
    command: &'a [String],
    /// Unix time at which the recording began, in microseconds.
    start_us: u64,
    /// Microseconds after the start, and samples per second from then on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rates: Vec<(u64, f64)>,
}

#[derive(Serialize)]
struct Thread<'a> {
    rows: [u64; 2],
    pid: u32,
    tid: u32,
    name: &'a str,
    process: &'a str,
    start_time_ticks: u64,
    cmdline: &'a str,
    python: &'a str,
    /// The pid in the innermost pid namespace of the process, where it is another one.
    #[serde(skip_serializing_if = "is_zero")]
    namespace_pid: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    container: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cgroup: &'a str,
    /// The CPU time as the kernel counted it, where that is known.
    #[serde(flatten)]
    cpu: Option<Cpu>,
}

/// Microseconds of CPU time.
#[derive(Serialize)]
struct Cpu {
    cpu_us: u64,
    user_us: u64,
    system_us: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The counters of one process.
#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    start_time_ticks: u64,
    counts: Cow<'a, Counts>,
}

pub(super) fn put(
    out: &mut Vec<u8>,
    view: &TraceView<'_>,
    order: RowOrder,
    threads: &[ThreadRows],
    columns: &mut Columns,
) -> io::Result<()> {
    let trace = view.trace();
    let thread = |rows: &ThreadRows| {
        let (track, process) = view.thread(rows.track)?;
        Some(Thread {
            rows: [rows.first, rows.end],
            pid: process.pid,
            tid: track.tid,
            name: &track.name,
            process: &process.name,
            start_time_ticks: process.start_time_ticks,
            cmdline: &process.cmdline,
            python: &process.python,
            namespace_pid: process.place.namespace_pid,
            container: &process.place.container,
            cgroup: &process.place.cgroup,
            cpu: view.cpu_time(rows.track).map(|time| Cpu {
                cpu_us: time.cpu_us(),
                user_us: time.user_us,
                system_us: time.system_us,
            }),
        })
    };
    let of_thread = |&id| view.thread(id).map(|(track, _)| track.process);
    let in_view: BTreeSet<_> = view.tracks().iter().filter_map(of_thread).collect();
    let processes = trace
        .summary
        .processes
        .iter()
        .filter(|of| in_view.contains(&of.process));
    let head = Head {
        pyebpf: 1,
        order: match order {
            RowOrder::Thread => "thread",
            RowOrder::Time => "time",
        },
        recording: RecordingFields {
            hz: trace.info.hz,
            mode: view.mode().name(),
            host: &trace.info.host,
            kernel: &trace.info.kernel,
            program: &trace.info.program,
            command: &trace.info.command,
            start_us: trace.info.unix_start_us,
            rates: trace
                .summary
                .rates
                .iter()
                .map(|rate| (trace.info.microseconds(rate.time), rate.hz()))
                .collect(),
        },
        threads: threads.iter().filter_map(thread).collect(),
        processes: processes
            .filter_map(|of| {
                let process = trace.tracks.process(of.process)?;
                let (pid, start_time_ticks) = (process.pid, process.start_time_ticks);
                Some(Process {
                    pid,
                    start_time_ticks,
                    counts: view.counts(&of.counts),
                })
            })
            .collect(),
        counts: view.counts(&trace.summary.counts),
        states: State::ALL.iter().map(|state| state.name()).collect(),
    };
    json_text::put(out, &head)?;
    // The columns come last in the same object: they are too long to be built as a value.
    out.pop();
    out.extend(b",\"cols\":");
    columns.put(out);
    out.push(b'}');
    Ok(())
}
