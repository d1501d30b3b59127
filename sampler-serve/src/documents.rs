// SPDX-License-Identifier: MIT OR Apache-2.0

//! The documents of the HTTP interface, as the front sends them and clients read them.
//! `openapi.json` describes them.

use std::collections::BTreeMap;

use sampler_trace::container::info::Mode;
use serde::{Deserialize, Serialize};

use crate::protocol::message::ProcessEntry;
use crate::state::entry::{MarkEntry, RecordingEntry};

/// The state of a server, its recorder and its disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The program and its version.
    pub program: String,
    /// The name of the host.
    pub host: String,
    /// What is sampled; none until the recorder has reported it.
    pub mode: Option<Mode>,
    /// Samples a second on each CPU now; 0 while nothing is sampled.
    pub hz: u32,
    /// The rate while no recording asks for more.
    pub base_hz: u32,
    /// When this was written. All times are in microseconds of Unix time.
    pub now_us: u64,
    /// When the recorder began.
    pub since_us: Option<u64>,
    /// When the oldest chunk begins.
    pub kept_from_us: Option<u64>,
    /// The state of the recorder.
    pub recorder: RecorderHealth,
    /// What is kept.
    pub disk: DiskUse,
    /// The latest recordings that were asked for.
    pub recordings: Vec<RecordingEntry>,
    /// The latest marks.
    pub marks: Vec<MarkEntry>,
    /// Problems, in sentences for users.
    pub problems: Vec<String>,
    /// The account of the samples, and what the retention did.
    pub counters: BTreeMap<String, u64>,
}

/// The state of the recorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecorderHealth {
    /// Whether it runs.
    pub state: RecorderState,
    /// Its process.
    pub pid: Option<u32>,
    /// How often it was restarted.
    pub restarts: u64,
    /// The longest time from taking a sample to reading it, in this chunk.
    pub behind_us: u64,
    /// Its share of one CPU, in percent.
    pub cpu_percent: f64,
    /// Its resident memory.
    pub rss_bytes: u64,
}

/// The state of the recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecorderState {
    /// It answers.
    #[default]
    Running,
    /// It does not answer: it is starting, or hangs.
    Restarting,
    /// It will not be started again.
    Stopped,
}

/// The use and the limits of the state directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskUse {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its maximum size in bytes.
    pub max_bytes: u64,
    /// How long chunks are kept, in seconds.
    pub keep_s: u64,
    /// How many chunks there are.
    pub chunks: usize,
    /// How many of them cannot be read to their end.
    pub damaged_chunks: usize,
}

/// The processes that are sampled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Processes {
    /// In no particular order.
    pub processes: Vec<ProcessEntry>,
}

/// The recordings that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recordings {
    /// In the order of their numbers.
    pub recordings: Vec<RecordingEntry>,
}

/// The marks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// In the order of their numbers.
    pub marks: Vec<MarkEntry>,
}
