// SPDX-License-Identifier: MIT OR Apache-2.0

//! The entries of the state directory, and their numbers. Times are microseconds of Unix
//! time, as in `unix_start_us` of a trace.

use serde::{Deserialize, Serialize};

/// The number of a chunk. Later ones have higher numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChunkNumber(pub u64);

/// The number of a mark.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MarkId(pub u64);

/// The number of a recording that was asked for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RecordingId(pub u64);

/// A moment around which chunks are kept beyond the retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkEntry {
    /// Its number.
    pub id: MarkId,
    /// What it is called.
    pub name: String,
    /// Why it was set.
    pub cause: MarkCause,
    /// When.
    pub at_us: u64,
    /// The start of what is kept.
    pub from_us: u64,
    /// The end of what is kept.
    pub to_us: u64,
    /// The process that it is about (a thread group id).
    pub pid: Option<u32>,
    /// What was seen: a sentence for users, and further lines such as stacks.
    #[serde(default)]
    pub details: String,
}

impl MarkEntry {
    /// Returns the sentence that says what was seen.
    #[must_use]
    pub fn sentence(&self) -> &str {
        self.details.lines().next().unwrap_or_default()
    }
}

/// Why a mark was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkCause {
    /// Somebody asked for it.
    Request,
    /// A condition of `--mark` held.
    Condition,
    /// A process had work to do and made no progress.
    Stall,
    /// A process was killed.
    LastWords,
}

/// A recording that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingEntry {
    /// Its number.
    pub id: RecordingId,
    /// What it is called.
    pub name: String,
    /// Samples a second on each CPU that it asked for.
    pub hz: u32,
    /// Its processes (thread group ids); none for all.
    pub pids: Vec<u32>,
    /// When it began.
    pub from_us: u64,
    /// When it ended or will stop by itself; none if it runs until it is stopped.
    pub to_us: Option<u64>,
    /// Whether it runs.
    pub state: RecordingState,
}

/// Whether a recording runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// It runs.
    Running,
    /// It has ended.
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_the_details_is_the_sentence() {
        let text = r#"{"id":8,"name":"stall","cause":"stall","at_us":1,"from_us":0,"to_us":2,
            "pid":812,"details":"it stands\nMainThread (812): lock"}"#;
        let mut mark: MarkEntry = serde_json::from_str(text).expect("a mark");
        assert_eq!(mark.sentence(), "it stands");
        mark.details.clear();
        assert_eq!(mark.sentence(), "");
    }
}
