// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is known of the chunk that is being taken.

use crate::join::clock::Place;
use crate::model::identifiers::KernelTime;

/// The current chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) place: Place,
    /// When the chunks before it end.
    pub(super) before: KernelTime,
    /// Whether rows go on from the chunk before.
    pub(super) is_next: bool,
    /// Whether its first rows went on in a file that is not there.
    pub(super) is_carried: bool,
    /// Whether it is known which rows go on.
    pub(super) is_settled: bool,
    /// Whether the rows that go on at the start of the window are in the output.
    pub(super) has_begun: bool,
    /// The time of its last row so far.
    pub(super) last_row: KernelTime,
}
