// SPDX-License-Identifier: MIT OR Apache-2.0

//! What user space tells a pass over the off-CPU threads.

use bytemuck::{Pod, Zeroable};

/// The orders for one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PassOrder {
    /// When the tick that the pass belongs to came on the first CPU: `CLOCK_MONOTONIC` in
    /// nanoseconds. A thread that was sampled since then is not looked at again.
    pub since: u64,
    /// The time since the previous pass, in nanoseconds: a period, or more where passes
    /// had to be left out. A look at a thread represents the part of it that ticks do
    /// not.
    pub weight: u64,
    /// The time that a tick represents, in nanoseconds.
    pub period: u64,
    /// 1 for the final pass, which looks at no thread: it only reports for how long
    /// earlier passes have found threads unchanged.
    pub is_last: u64,
}
