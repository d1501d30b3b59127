// SPDX-License-Identifier: MIT OR Apache-2.0

//! The ranges of numbers that options accept.

use std::time::Duration;

/// The highest rate, in samples a second on each CPU.
pub const HIGHEST_RATE: u32 = 10_000;

/// The longest duration that can be asked for. A longer one is never needed: without a
/// duration, a recording goes on until it is stopped.
pub const LONGEST_DURATION: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The largest process id of Linux (`PID_MAX_LIMIT` in `include/linux/threads.h`).
pub const LARGEST_PROCESS_ID: u32 = 4_194_304;
