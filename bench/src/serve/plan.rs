// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long each part of measuring a server takes, in a full and in a quick run.

use std::time::Duration;

/// How long each part takes.
pub(super) struct ServePlan {
    /// How long the server runs before it is measured, by which time it knows all names.
    pub(super) warm_up: Duration,
    /// How many times it is measured in each state, and for how long.
    pub(super) windows: usize,
    pub(super) window: Duration,
    /// How long its chunks are meanwhile, and how many are kept: a day.
    pub(super) minute: Duration,
    pub(super) minutes: u32,
    /// How often it is asked how far it is behind.
    pub(super) looks: usize,
    /// How long a chunk of the soak is, how many are kept, and how many are written.
    pub(super) chunk: Duration,
    pub(super) kept: u32,
    pub(super) written: u32,
}

impl ServePlan {
    pub(super) fn new(quick: bool) -> Self {
        let s = Duration::from_secs;
        if quick {
            Self {
                warm_up: s(5),
                windows: 3,
                window: s(5),
                minute: s(10),
                minutes: 8640,
                looks: 10,
                chunk: Duration::from_millis(100),
                kept: 144,
                written: 400,
            }
        } else {
            Self {
                warm_up: s(20),
                // More than a minute, so that the chunk that is being written by then, and
                // what is said of it, belongs to one state.
                windows: 7,
                window: s(10),
                minute: s(60),
                minutes: 1440,
                looks: 20,
                chunk: Duration::from_millis(100),
                // A day of minutes, twice.
                kept: 1440,
                written: 2880,
            }
        }
    }
}
