// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a trace says about itself: how it was recorded, and the counters of the recording.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::drop_reason::current_name;
use crate::model::identifiers::{KernelTime, ProcessIndex, TrackId};

/// What was sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// The threads that ran on a CPU.
    #[default]
    #[serde(rename = "cpu")]
    Cpu,
    /// Every thread, running or waiting.
    #[serde(rename = "wall")]
    Wall,
    /// Both, in one trace.
    #[serde(rename = "cpu,wall")]
    CpuAndWall,
}

impl Mode {
    /// Its name on the command line and in every format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::CpuAndWall => "cpu,wall",
        }
    }
}

/// How a trace was recorded: the header of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceInfo {
    /// Samples per second; 0 when not known.
    pub hz: u32,
    /// What was sampled.
    pub mode: Mode,
    /// The name of the host.
    pub host: String,
    /// The release of its kernel.
    pub kernel: String,
    /// The trace's time zero. Writers and readers truncate it to whole microseconds.
    #[serde(rename = "start_ns", with = "decimal")]
    pub start: KernelTime,
    /// The same moment in Unix time, in microseconds.
    pub unix_start_us: u64,
    /// The program that recorded, with its version.
    pub program: String,
    /// The command line that it was started with.
    pub command: Vec<String>,
    /// Which run of the kernel `start` counts from, as `/proc/sys/kernel/random/boot_id` has
    /// it; empty when not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub boot: String,
    /// Whether the file goes on where an earlier one ended: a row at its start went on
    /// there, and its later samples may account for time before it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub carries_on: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl TraceInfo {
    /// Nanoseconds between two samples; 0 when not known.
    #[must_use]
    pub fn period_ns(&self) -> u64 {
        1_000_000_000_u64
            .checked_div(u64::from(self.hz))
            .unwrap_or(0)
    }

    /// The time from the trace's start to `time`, in microseconds; 0 if `time` is before it.
    #[must_use]
    pub fn microseconds(&self, time: KernelTime) -> u64 {
        time.0.saturating_sub(self.start.0) / 1000
    }

    /// The Unix time of `time`, in microseconds.
    #[must_use]
    pub fn unix_microseconds(&self, time: KernelTime) -> u64 {
        self.unix_start_us.saturating_add(self.microseconds(time))
    }

    /// The time that lies `microseconds` after the trace's start; `None` past the end of
    /// the clock.
    #[must_use]
    pub fn time_at(&self, microseconds: u64) -> Option<KernelTime> {
        self.start
            .0
            .checked_add(microseconds.checked_mul(1000)?)
            .map(KernelTime)
    }

    /// Truncates the start to whole microseconds, so that no time changes on its way
    /// through a file.
    pub(super) fn with_whole_start(mut self) -> Self {
        self.start.0 -= self.start.0 % 1000;
        self
    }
}

/// The counters that are a maximum, or tell whether something was so. All others are sums.
const MAXIMA: [&str; 3] = ["behind_us", "passes_from_user_space", "walked_without_loop"];

/// Whether a counter of several files together is the largest one, not the sum.
#[must_use]
pub fn is_maximum(name: &str) -> bool {
    MAXIMA.contains(&name)
}

/// Counters by name, such as `taken` or `lost`.
pub type Counts = BTreeMap<String, u64>;

/// Returns counts by the names that they have now. Older files have two names of some.
pub(crate) fn with_current_names(counts: Counts) -> Counts {
    let mut current = Counts::new();
    for (name, count) in counts {
        put_count(&mut current, current_name(&name).to_owned(), count);
    }
    current
}

/// Puts a count among others. A file with two names of one count has the number twice, and
/// it counts once.
pub(super) fn put_count(counts: &mut Counts, name: String, number: u64) {
    let count = counts.entry(name).or_default();
    *count = number.max(*count);
}

/// The result of a recording: when it ended, and its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// When the recording ended.
    pub end: KernelTime,
    /// Counters of the whole recording.
    pub counts: Counts,
    /// Counters of each process.
    pub processes: Vec<ProcessCounts>,
    /// When samples were taken at a rate other than that of the header.
    pub rates: Vec<RateChange>,
    /// The CPU time of threads as the kernel counted it, for those of which it is known.
    pub threads: Vec<ThreadCpuTime>,
}

/// The CPU time of a thread during the recording, as the kernel counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadCpuTime {
    /// The thread.
    pub track: TrackId,
    /// In user mode, in microseconds.
    pub user_us: u64,
    /// In the kernel, in microseconds.
    pub system_us: u64,
}

impl ThreadCpuTime {
    /// In user mode and in the kernel together, in microseconds.
    #[must_use]
    pub const fn cpu_us(&self) -> u64 {
        self.user_us.saturating_add(self.system_us)
    }
}

/// A change of the sampling rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateChange {
    /// Since when the rate holds.
    pub time: KernelTime,
    /// The time between two samples of a running thread.
    pub period: Duration,
}

impl RateChange {
    /// Samples per second.
    #[must_use]
    pub fn hz(&self) -> f64 {
        1.0 / self.period.max(Duration::from_nanos(1)).as_secs_f64()
    }

    /// Samples per second, as people read it: `1250`, `312.5`, `0.98`.
    #[must_use]
    pub fn hz_text(&self) -> String {
        let hz = self.hz();
        let decimals = match hz {
            10.0.. => 1,
            _ => 2,
        };
        let text = format!("{hz:.decimals$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// The counters of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessCounts {
    /// The process.
    pub process: ProcessIndex,
    /// Its counters.
    pub counts: Counts,
}

/// The summary as it is in a file: times relative to the trace's start.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSummary {
    end_us: u64,
    counts: Counts,
    /// Only in old files: newer ones have them in an account.
    #[serde(default)]
    processes: Vec<StoredProcess>,
}

#[derive(Serialize, Deserialize)]
struct StoredProcess {
    process: u32,
    counts: Counts,
}

impl StoredSummary {
    pub(super) fn new(summary: &Summary, info: &TraceInfo) -> Self {
        Self {
            end_us: info.microseconds(summary.end),
            counts: summary.counts.clone(),
            processes: Vec::new(),
        }
    }

    pub(super) fn restore(self, info: &TraceInfo) -> Option<Summary> {
        let processes = self
            .processes
            .into_iter()
            .map(|of| ProcessCounts {
                process: ProcessIndex(of.process),
                counts: with_current_names(of.counts),
            })
            .collect();
        Some(Summary {
            end: info.time_at(self.end_us)?,
            counts: with_current_names(self.counts),
            processes,
            ..Summary::default()
        })
    }
}

/// A time as a string of decimal digits, because JSON numbers are exact only up to 2^53.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::model::identifiers::KernelTime;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature is serde's"
    )]
    pub(super) fn serialize<S: Serializer>(
        time: &KernelTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<KernelTime, D::Error> {
        let digits = String::deserialize(deserializer)?;
        digits.parse().map(KernelTime).map_err(D::Error::custom)
    }
}
