// SPDX-License-Identifier: MIT OR Apache-2.0

//! The errors of arguments that do not go together, each with what to write instead. Those
//! of a single value are in [`values`](crate::cli::values::error).

use std::path::PathBuf;

use thiserror::Error;

/// The arguments are invalid. The program then ends with status 2.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// `--pid` is given together with a command.
    #[error("--pid and a command cannot be combined: leave out one of them")]
    TargetTwice,
    /// `--cgroup` or `--name` is given with something that already names processes.
    #[error("--cgroup and --name cannot be combined with {other}: leave out one or the other")]
    FilterWith {
        /// `--pid` or a command.
        other: &'static str,
    },
    /// The command is an empty word.
    #[error("there is no program after --")]
    EmptyCommand,
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
    /// `serve` is to listen on an address without a token.
    #[error("--listen {address} needs --token-file FILE, a file with a token that clients send")]
    NoToken {
        /// The address.
        address: String,
    },
    /// `convert` is given without `-o`.
    #[error("convert needs -o FILE, or -o - for standard output")]
    NoOutput,
}
