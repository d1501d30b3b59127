// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a file has for one thread.

use crate::model::identifiers::{KernelTime, StackId, TrackId};

/// What a file has for one thread.
pub(super) struct ThreadRows {
    pub(super) track: TrackId,
    /// What identifies the thread in each row: `, 1234, "MainThread", `.
    pub(super) head: Vec<u8>,
    pub(super) first: u64,
    /// One past the number of its last row.
    pub(super) end: u64,
    pub(super) last_stack: Option<StackId>,
    pub(super) last_start: KernelTime,
    pub(super) last_end: KernelTime,
}
