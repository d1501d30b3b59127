// SPDX-License-Identifier: MIT OR Apache-2.0

//! The errors of values, each with what can be written instead. clap names the option and
//! the value in front of them.

use thiserror::Error;

use crate::cli::values::ranges::{HIGHEST_RATE, LARGEST_PROCESS_ID};

/// The value of an option is invalid. The program then ends with status 2.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ValueError {
    /// `--hz` is not a number, or out of range.
    #[error("give a whole number from 1 to {HIGHEST_RATE}")]
    Rate,
    /// `--max-cpu` is not a share of a CPU, or out of range.
    #[error("give a share of one CPU, such as 5% or 0.5% (200% is two CPUs), or off")]
    MaxCpu,
    /// `--buffer` is not a size, or out of range.
    #[error("give a size from 64K to 1G, such as 512K, 4M or 64M")]
    Buffer,
    /// `--max-disk` is not a size, or too small.
    #[error("give a size of at least 16M, such as 256M or 2G")]
    Disk,
    /// `--pid` is not a process id.
    #[error("give a process id, a number from 1 to {LARGEST_PROCESS_ID}")]
    ProcessId,
    /// A duration is invalid, zero or too long.
    #[error("{reason}; write it as 30, 30s, 500ms or 2h")]
    Duration {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `--from` or `--to` is not a time.
    #[error("write 90 or 2h (since the start), 2026-01-31T12:00:00Z, or @1352241181.5")]
    TimePoint,
    /// It is not a regular expression.
    #[error("not a regular expression: {reason}")]
    Pattern {
        /// What is wrong with it.
        reason: String,
    },
    /// `--mark` is not a condition.
    #[error("{reason}; write it as 'cpu>80% for 10s', 'threads>200 for 1m' or 'rss>2G for 30s'")]
    Condition {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `--stall` is not a time, or out of range.
    #[error("give a time from 3s to 1h, or off")]
    Stall,
    /// It is empty and must not be.
    #[error("leave the option out or give a value")]
    Empty,
}
