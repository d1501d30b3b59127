// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the front can ask of the recorder. There is nothing else: no command names a
//! program, a file or an address.

use serde::{Deserialize, Serialize};

use crate::state::entry::{MarkId, RecordingId};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RecorderCommand {
    /// The state of the recorder.
    Status,
    /// The sampled processes.
    Processes,
    /// Starts a recording.
    Start(StartRecording),
    /// Stops a recording.
    Stop {
        /// Which one.
        id: RecordingId,
    },
    /// Deletes a recording; its chunks then expire like all others.
    DeleteRecording {
        /// Which one.
        id: RecordingId,
    },
    /// Marks this moment.
    Mark(NewMark),
    /// Deletes a mark; its chunks then expire like all others.
    DeleteMark {
        /// Which one.
        id: MarkId,
    },
    /// Closes the chunk that is being written and begins another.
    Rotate,
    /// Reads the stacks of all threads of a process now.
    Dump {
        /// The process (a thread group id).
        pid: u32,
    },
}

/// How a recording is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartRecording {
    /// Samples a second on each CPU; none for the rate that the recorder has anyway.
    pub hz: Option<u32>,
    /// The processes (thread group ids); none for all that the recorder samples.
    pub pids: Vec<u32>,
    /// When it ends by itself, in seconds from now.
    pub seconds: Option<u32>,
    /// Its name.
    pub name: String,
}

/// How a mark is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewMark {
    /// Its name.
    pub name: String,
    /// Seconds before it that are kept.
    pub before_s: u32,
    /// Seconds after it that are kept.
    pub after_s: u32,
    /// The process that it is about (a thread group id).
    pub pid: Option<u32>,
}

impl Default for NewMark {
    fn default() -> Self {
        Self {
            name: String::new(),
            before_s: 300,
            after_s: 60,
            pid: None,
        }
    }
}
