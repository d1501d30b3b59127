// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a server answers, as text for people.

use std::time::{Duration, UNIX_EPOCH};

use sampler_serve::documents::{RecorderState, Status};
use sampler_serve::protocol::message::ProcessEntry;
use sampler_serve::state::entry::{MarkCause, MarkEntry, RecordingEntry, RecordingState};
use sampler_trace::escape::escape_for_terminal;

use crate::commands::ctl::table::{self, number, table};

/// The last second of the year 9999, in microseconds: later ones have no date.
const LATEST: u64 = 253_402_300_799_000_000;
/// The longest list of pids in a cell.
const LONGEST_LIST: usize = 20;

/// How the server, its recorder and its disk are.
pub(super) fn status(status: &Status) -> String {
    let mut lines = vec![head(status)];
    let recorder = &status.recorder;
    let state = match (recorder.state, recorder.pid) {
        (RecorderState::Running, Some(pid)) => format!("running, pid {pid}"),
        (RecorderState::Running, None) => "running".into(),
        (RecorderState::Restarting, _) => "restarting or hanging".into(),
        (RecorderState::Stopped, _) => "stopped".into(),
    };
    let cost = match recorder.state {
        RecorderState::Running => format!(
            "; {:.1} % of a CPU, {}, at most {:.1} ms behind",
            recorder.cpu_percent,
            size(recorder.rss_bytes),
            recorder.behind_us as f64 / 1000.0
        ),
        _ => String::new(),
    };
    lines.push(format!("recorder    {state}{cost}"));
    if recorder.restarts > 0 {
        lines.push(format!("restarts    {}", recorder.restarts));
    }
    let disk = &status.disk;
    let since = status.kept_from_us.map_or_else(
        || "nothing yet".into(),
        |from| format!("since {}", time(from)),
    );
    lines.push(format!(
        "kept        {since}; at most {} and {}",
        length(disk.keep_s),
        size(disk.max_bytes)
    ));
    let damaged = match disk.damaged_chunks {
        0 => String::new(),
        count => format!(", {count} of them damaged"),
    };
    let used = size(disk.bytes);
    lines.push(format!(
        "disk        {used} in {} {}{damaged}",
        disk.chunks,
        if disk.chunks == 1 { "chunk" } else { "chunks" }
    ));
    let is_running = |entry: &&RecordingEntry| entry.state == RecordingState::Running;
    let running = status.recordings.iter().filter(is_running).count();
    let all = status.recordings.len();
    lines.push(format!("recordings  {all}, of which {running} running"));
    lines.push(format!("marks       {}", status.marks.len()));
    for problem in &status.problems {
        lines.push(format!("problem: {}", escape_for_terminal(problem)));
    }
    lines.join("\n") + "\n"
}

fn head(status: &Status) -> String {
    let program = escape_for_terminal(&status.program);
    let host = escape_for_terminal(&status.host);
    let mode = status.mode.map_or("", |mode| mode.name());
    let rate = match status.hz {
        0 => "nothing is sampled now".into(),
        hz => format!("{hz} Hz, {mode} mode"),
    };
    let since = status
        .since_us
        .map(|since| format!(", since {}", time(since)));
    format!("{program} on {host}: {rate}{}", since.unwrap_or_default())
}

/// The processes that are sampled, the busiest first.
pub(super) fn processes(mut processes: Vec<ProcessEntry>) -> String {
    if processes.is_empty() {
        return "no process of yours is sampled\n".into();
    }
    let by_load = |one: &ProcessEntry, other: &ProcessEntry| {
        let load = other.cpu_percent.total_cmp(&one.cpu_percent);
        load.then(one.pid.cmp(&other.pid))
    };
    processes.sort_by(by_load);
    let row = |process: &ProcessEntry| {
        [
            process.pid.to_string(),
            match process.ended {
                true => "ended".into(),
                false => format!("{:.1}", process.cpu_percent),
            },
            process.threads.to_string(),
            process.uid.map(|uid| uid.to_string()).unwrap_or_default(),
            process.python.clone(),
            process.name.clone(),
            process.container.clone(),
            process.cmdline.clone(),
        ]
    };
    let columns = [
        number("PID"),
        number("CPU%"),
        number("THREADS"),
        number("UID"),
        table::text("PYTHON"),
        table::text("NAME"),
        table::text("CONTAINER"),
        table::text("COMMAND"),
    ];
    let rows: Vec<_> = processes.iter().map(row).collect();
    table(columns, &rows)
}

/// The recordings that were asked for.
pub(super) fn recordings(recordings: &[RecordingEntry]) -> String {
    if recordings.is_empty() {
        return "no recordings; `pyebpf ctl start` starts one\n".into();
    }
    let row = |entry: &RecordingEntry| {
        [
            entry.id.0.to_string(),
            match entry.state {
                RecordingState::Running => "running".into(),
                RecordingState::Done => "done".into(),
            },
            entry.hz.to_string(),
            time(entry.from_us),
            entry
                .to_us
                .map(|to| length(to.saturating_sub(entry.from_us) / 1_000_000))
                .unwrap_or_default(),
            pids(&entry.pids),
            entry.name.clone(),
        ]
    };
    let columns = [
        number("ID"),
        table::text("STATE"),
        number("HZ"),
        table::text("FROM"),
        table::text("LENGTH"),
        table::text("PIDS"),
        table::text("NAME"),
    ];
    let rows: Vec<_> = recordings.iter().map(row).collect();
    table(columns, &rows)
}

/// The marks.
pub(super) fn marks(marks: &[MarkEntry]) -> String {
    if marks.is_empty() {
        return "no marks; `pyebpf ctl mark NAME` sets one\n".into();
    }
    let row = |mark: &MarkEntry| {
        // The name that the server gives a mark of its own says less than its sentence.
        let name = match (mark.cause, mark.sentence()) {
            (_, "") => mark.name.clone(),
            (MarkCause::Request, sentence) => format!("{}: {sentence}", mark.name),
            (_, sentence) => sentence.to_owned(),
        };
        [
            mark.id.0.to_string(),
            time(mark.at_us),
            match mark.cause {
                MarkCause::Request => "request".into(),
                MarkCause::Condition => "condition".into(),
                MarkCause::Stall => "stall".into(),
                MarkCause::LastWords => "last words".into(),
            },
            mark.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            name,
        ]
    };
    let columns = [
        number("ID"),
        table::text("AT"),
        table::text("CAUSE"),
        number("PID"),
        table::text("NAME"),
    ];
    let rows: Vec<_> = marks.iter().map(row).collect();
    table(columns, &rows)
}

/// What to do with a recording that began.
pub(super) fn started(entry: &RecordingEntry) -> String {
    let id = entry.id.0;
    let end = match entry.to_us {
        Some(to) => format!("until {}", time(to)),
        None => format!("until `pyebpf ctl stop {id}`"),
    };
    format!("recording {id} started at {} Hz, {end}\n", entry.hz)
}

/// What to do with a recording that ended.
pub(super) fn stopped(entry: &RecordingEntry) -> String {
    let id = entry.id.0;
    format!(
        "recording {id} stopped; `pyebpf ctl trace --recording {id} -o FILE` writes its trace\n"
    )
}

/// What a mark keeps.
pub(super) fn marked(mark: &MarkEntry) -> String {
    format!(
        "mark {} keeps what is sampled from {} to {}\n",
        mark.id.0,
        time(mark.from_us),
        time(mark.to_us)
    )
}

/// A time in microseconds of Unix time, as `ctl trace --from` takes it.
fn time(microseconds: u64) -> String {
    let since = Duration::from_micros(microseconds.min(LATEST));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// A length, in hours up to two days, as it is given with `serve --keep`.
fn length(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600) {
        (hours @ 1..=48, 0) => format!("{hours}h"),
        _ => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}

fn size(bytes: u64) -> String {
    const MEBIBYTE: u64 = 1 << 20;
    if bytes < MEBIBYTE {
        return format!("{} KiB", bytes.div_ceil(1024));
    }
    let text = format!("{:.1}", bytes as f64 / MEBIBYTE as f64);
    format!("{} MiB", text.strip_suffix(".0").unwrap_or(&text))
}

fn pids(pids: &[u32]) -> String {
    let mut text = String::new();
    for (index, pid) in pids.iter().enumerate() {
        if text.len() >= LONGEST_LIST {
            return format!("{text} and {} more", pids.len() - index);
        }
        let comma = if index == 0 { "" } else { "," };
        text.push_str(&format!("{comma}{pid}"));
    }
    text
}

#[cfg(test)]
mod tests;
