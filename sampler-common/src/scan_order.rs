// SPDX-License-Identifier: MIT OR Apache-2.0

//! What user space tells a scan of the off-CPU threads, and the returns of threads to
//! their CPUs.

use bytemuck::{Pod, Zeroable};

/// The orders for one scan, and for returns until the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ScanOrder {
    /// When the tick that the scan belongs to came on the first CPU: `CLOCK_MONOTONIC` in
    /// nanoseconds. A thread that was sampled since then is not sampled again.
    pub since: u64,
    /// The time since the previous scan, in nanoseconds: a period, or more where scans
    /// had to be left out. A sample of a scan represents the part of it that ticks do
    /// not.
    pub weight: u64,
    /// The time that a tick represents, in nanoseconds.
    pub period: u64,
    /// 1 for the final scan, which samples no thread: it only reports for how long
    /// earlier scans have found threads unchanged.
    pub is_last: u64,
    /// 1 where the returns of threads to their CPUs say what time waits represent, by the
    /// [edges](crate::edges) of `period`. A scan then represents no time itself: it shows
    /// the threads that have not come back yet.
    pub by_returns: u64,
    /// With `by_returns`, when the last scan began that is over. A thread that has started
    /// since then may be one that no scan could see. `u64::MAX` for the first scan.
    pub seen_until: u64,
}
