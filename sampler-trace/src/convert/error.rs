// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a trace was not converted.

use std::error::Error;
use std::path::PathBuf;

use crate::container::error::TraceError;
use crate::formats::folded::read::FoldedError;
use crate::formats::json_reader::error::JsonError;
use crate::formats::sink::SinkError;

/// Why a trace was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The input is not a trace.
    #[error(
        "not a trace: neither a .pyebpf container, nor a timeline JSON, nor collapsed stacks (gzip is fine)"
    )]
    NotATrace,
    /// The input is compressed with zstd, which is not supported.
    #[error("the input is compressed with zstd: decompress it first (zstd -d)")]
    Zstd,
    /// The input could not be read.
    #[error("cannot read the input: {source}")]
    Read {
        /// The system's error.
        source: std::io::Error,
    },
    /// The input is a container that cannot be read.
    #[error(transparent)]
    Container(#[from] TraceError),
    /// The input is JSON that cannot be read.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The input is a file of collapsed stacks that cannot be read.
    #[error(transparent)]
    Folded(#[from] FoldedError),
    /// No row is in the selected part.
    #[error(
        "nothing is selected: the trace has {threads} threads over {seconds:.1} s, and none has a matching stack in the selected time"
    )]
    Nothing {
        /// How many threads the whole trace has.
        threads: usize,
        /// How long the whole trace is.
        seconds: f64,
    },
    /// The selection asks for waiting threads, and the trace was recorded without them.
    #[error(
        "the trace was recorded in cpu mode, so it has no waiting threads; record with --mode wall"
    )]
    NoWaiting,
    /// The JSON would be larger than any browser can load.
    #[error("{path}: the JSON would have {megabytes} MB, too much for a browser; write .pyebpf, select a part (--from, --to, --thread, --split), or use --force", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its projected size, in megabytes.
        megabytes: u64,
    },
    /// A file could not be created or put in its place.
    #[error("{path}: {source}", path = path.display())]
    Destination {
        /// The file.
        path: PathBuf,
        /// The error of the caller's code that creates files.
        source: DestinationError,
    },
    /// A file could not be written.
    #[error("{path}: {source}", path = path.display())]
    Sink {
        /// The file.
        path: PathBuf,
        /// The error of the format's sink.
        source: SinkError,
    },
}

/// An error of the caller's code that creates files.
pub type DestinationError = Box<dyn Error + Send + Sync>;
