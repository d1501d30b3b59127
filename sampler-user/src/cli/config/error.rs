// SPDX-License-Identifier: MIT OR Apache-2.0

//! The errors of typed arguments, each with what can be typed instead.

use std::path::PathBuf;

use thiserror::Error;

use crate::cli::config::ranges::{HIGHEST_RATE, LARGEST_PROCESS_ID};

/// An argument is invalid. The program then ends with status 2.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// `--hz` is not a number, or out of range.
    #[error("--hz {value}: give a whole number from 1 to {HIGHEST_RATE}")]
    Rate {
        /// The value as typed.
        value: String,
    },
    /// `--max-cpu` is not a share of a CPU, or out of range.
    #[error(
        "--max-cpu {value:?}: give a share of one CPU, such as 5% or 0.5% (200% is two CPUs), or off"
    )]
    MaxCpu {
        /// The value as typed.
        value: String,
    },
    /// `--buffer` is not a size, or out of range.
    #[error("--buffer {value:?}: give a size from 64K to 1G, such as 512K, 4M or 64M")]
    Buffer {
        /// The value as typed.
        value: String,
    },
    /// `--pid` is not a process id.
    #[error("--pid {value:?}: give a process id, a number from 1 to {LARGEST_PROCESS_ID}")]
    ProcessId {
        /// The value as typed.
        value: String,
    },
    /// A duration is invalid, zero or too long.
    #[error("{option} {value:?}: {reason}; write it as 30, 30s, 500ms or 2h")]
    Duration {
        /// The option it belongs to.
        option: &'static str,
        /// The value as typed.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `--from` or `--to` is not a time.
    #[error(
        "{option} {value:?} is not a time: write 90 or 2h (since the start), \
         2026-01-31T12:00:00Z, or @1352241181.5"
    )]
    TimePoint {
        /// The option it belongs to.
        option: &'static str,
        /// The value as typed.
        value: String,
    },
    /// The value of an option is not a regular expression.
    #[error("{option} {value:?} is not a regular expression: {reason}")]
    Pattern {
        /// The option it belongs to.
        option: &'static str,
        /// The value as typed.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--pid` is given together with a command.
    #[error("--pid and a command cannot be combined: leave out one of them")]
    TargetTwice,
    /// `--cgroup` or `--name` is given with something that already names processes.
    #[error("--cgroup and --name cannot be combined with {other}: leave out one or the other")]
    ChoiceWith {
        /// `--pid` or a command.
        other: &'static str,
    },
    /// The command is an empty word.
    #[error("there is no program after --")]
    EmptyCommand,
    /// A value is empty and must not be.
    #[error("{option} is empty: leave it out or give a value")]
    Empty {
        /// The option it belongs to.
        option: &'static str,
    },
    /// An output is given twice.
    #[error("-o {path:?} is given twice: each output needs its own file")]
    OutputTwice {
        /// The path.
        path: PathBuf,
    },
    /// `--split` is given with standard output.
    #[error("--split writes several files and cannot go to standard output: name a file with -o")]
    SplitStandardOutput,
    /// Standard input is given for both traces of `report`.
    #[error("only one of the two traces can be standard input: name a file for the other")]
    InputTwice,
    /// `convert` is given without `-o`.
    #[error("convert needs -o FILE, or -o - for standard output")]
    NoOutput,
}
