//! What was typed and cannot be meant, each with what can be typed instead. It
//! refuses to check anything.

use std::path::PathBuf;

use thiserror::Error;

use crate::config::{HIGHEST_RATE, LARGEST_PROCESS_ID};

/// What was typed cannot be meant. Every one of these ends with status 2.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// `--hz` is no number, or out of range.
    #[error("--hz {value}: give a whole number from 1 to {HIGHEST_RATE}")]
    Rate {
        /// What was typed.
        value: String,
    },
    /// `--max-cpu` is no share of a CPU.
    #[error(
        "--max-cpu {value:?}: give a part of one CPU, such as 5% or 0.5% (200% is two CPUs), or off"
    )]
    MaxCpu {
        /// What was typed.
        value: String,
    },
    /// `--buffer` is no size.
    #[error("--buffer {value:?}: give a size from 64K to 1G, such as 512K, 4M or 64M")]
    Buffer {
        /// What was typed.
        value: String,
    },
    /// `--pid` is no process id.
    #[error("--pid {value:?}: give a process id, a number from 1 to {LARGEST_PROCESS_ID}")]
    ProcessId {
        /// What was typed.
        value: String,
    },
    /// `--mode` with a word that is no mode.
    #[error("--mode {value:?}: the mode is cpu (what runs), wall (what waits too), or cpu,wall")]
    Mode {
        /// What was typed.
        value: String,
    },
    /// A length of time that is none, is zero, or is too long.
    #[error("{option} {value:?}: {reason}; write it as 30, 30s, 500ms or 2h")]
    Duration {
        /// The option it belongs to.
        option: &'static str,
        /// What was typed.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `--from` or `--to` is no time.
    #[error(
        "{option} {value:?} is no time: write 90 or 2h after the start, \
         2026-01-31T12:00:00Z, or @1352241181.5"
    )]
    TimePoint {
        /// The option it belongs to.
        option: &'static str,
        /// What was typed.
        value: String,
    },
    /// `--thread` or `--process` is no regular expression.
    #[error("{option} {value:?} is no regular expression: {reason}")]
    Pattern {
        /// The option it belongs to.
        option: &'static str,
        /// What was typed.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Both a pid and a command.
    #[error("--pid and a command cannot go together: leave out one of them")]
    TargetTwice,
    /// `--cgroup` or `--name` with something that names processes already.
    #[error(
        "--cgroup and --name choose among all processes, and {other} names them already: \
         leave out one or the other"
    )]
    ChoiceWith {
        /// `--pid` or a command.
        other: &'static str,
    },
    /// The command is an empty word.
    #[error("the command after -- is empty: name a program")]
    EmptyCommand,
    /// A value that must not be empty.
    #[error("{option} has an empty value: leave it out or name something")]
    Empty {
        /// The option it belongs to.
        option: &'static str,
    },
    /// The same output twice.
    #[error("-o {path:?} is given twice: each output needs its own file")]
    OutputTwice {
        /// The path.
        path: PathBuf,
    },
    /// `--split` with standard output.
    #[error("--split writes several files and cannot go to standard output: name a file with -o")]
    SplitStandardOutput,
    /// Standard input for both traces of `report`.
    #[error("standard input can be one of the two traces: name a file for the other")]
    InputTwice,
    /// `convert` without `-o`.
    #[error("convert needs -o FILE: where the result goes, or - for standard output")]
    NoOutput,
}
