// SPDX-License-Identifier: MIT OR Apache-2.0

//! The messages of both directions.

use std::collections::BTreeMap;

use sampler_trace::container::info::Mode;
use serde::{Deserialize, Serialize};

use crate::protocol::command::RecorderCommand;
use crate::state::entry::{ChunkNumber, MarkEntry, RecordingEntry};

/// What the front sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back in the reply. Unique for as long as the front runs.
    pub id: u64,
    /// What to do.
    pub command: RecorderCommand,
}

/// What the recorder sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromRecorder {
    /// The answer to a request.
    Reply(Reply),
    /// An event.
    Event(Event),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The request's number.
    pub id: u64,
    /// The answer, or why there is none.
    pub outcome: Result<Answer, Failure>,
}

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To `Status`.
    Status(Box<RecorderStatus>),
    /// To `Processes`.
    Processes(Vec<ProcessEntry>),
    /// To `Start` and `Stop`.
    Recording(RecordingEntry),
    /// To `Mark`.
    Mark(MarkEntry),
    /// To `Rotate`: the number of the chunk that is complete now.
    Rotated(ChunkNumber),
    /// To `Dump`: the document that `pyebpf dump --json` prints.
    Dump(serde_json::Value),
    /// To the commands that delete.
    Deleted,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of reason it is.
    pub code: FailureCode,
    /// What happened, to which process, and what to do: a sentence for users.
    pub message: String,
}

/// What kind of reason a command failed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// There is no such recording, mark or process.
    NotFound,
    /// It contradicts the current state: a recording that has ended cannot be stopped.
    Conflict,
    /// The recorder can never do that.
    Invalid,
    /// The maximum number has been reached.
    Limit,
    /// It failed, for example on a full disk.
    Failed,
}

/// The state of the recorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecorderStatus {
    /// Its process.
    pub pid: u32,
    /// When it began, in microseconds of Unix time.
    pub since_us: u64,
    /// What it samples.
    pub mode: Mode,
    /// Samples a second on each CPU now; 0 while nothing is sampled.
    pub hz: u32,
    /// The rate while no recording asks for more.
    pub base_hz: u32,
    /// The largest delay between a sample and its way into the trace since the last
    /// chunk began, in microseconds.
    pub behind_us: u64,
    /// Its CPU time so far, of all its threads and of its eBPF programs, in
    /// microseconds.
    pub cpu_us: u64,
    /// Its resident memory, in bytes.
    pub rss_bytes: u64,
    /// The chunk that is being written.
    pub chunk: ChunkNumber,
    /// Bytes in the state directory.
    pub disk_bytes: u64,
    /// Problems, in sentences for users; empty if all is well.
    pub problems: Vec<String>,
    /// Counters by name: the account of the samples since the recorder began, and what
    /// the retention did.
    pub counters: BTreeMap<String, u64>,
}

/// A process that the recorder samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessEntry {
    /// Its thread group id in the recorder's pid namespace.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Its command line, with blanks between the arguments.
    pub cmdline: String,
    /// The version of its Python, such as `3.12.1`.
    pub python: String,
    /// The real user id that it runs as; none if that is not known.
    pub uid: Option<u32>,
    /// The container that it lives in, if any.
    pub container: String,
    /// Its cgroup.
    pub cgroup: String,
    /// How many of its threads are in the trace.
    pub threads: u32,
    /// Its share of one CPU since the last time that processes were asked for, in
    /// percent.
    pub cpu_percent: f64,
    /// Whether it has ended.
    pub ended: bool,
}

/// What the recorder reports unasked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A recorder began; requests to the one before will not be answered.
    Started,
    /// A chunk has grown to so many bytes, all of them complete blocks.
    Flushed {
        /// Which one.
        chunk: ChunkNumber,
        /// Its length.
        bytes: u64,
    },
    /// A mark was set.
    Mark(MarkEntry),
    /// A recording began or ended.
    Recording(RecordingEntry),
}
