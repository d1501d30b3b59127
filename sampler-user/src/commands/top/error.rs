// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why `top` shows nothing.

use std::io;
use std::path::PathBuf;

use sampler_top::run::TopError;

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// Standard output is not a terminal.
    #[error("`top` needs a terminal, but standard output is not one; `pyebpf report` prints text")]
    NoTerminal,
    /// Only a trace can be shown on this system.
    #[error("top needs Linux; on this system, `pyebpf top --from FILE` shows a trace")]
    NeedsLinux,
    /// The trace cannot be opened.
    #[error("cannot open {path}: {source}", path = path.display())]
    Open {
        /// The trace.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The recorder cannot be started, or its status is not known.
    #[error("cannot start the recorder: {0}")]
    Start(io::Error),
    /// The trace or the terminal cannot be used.
    #[error("{input}: {source}")]
    Top {
        /// The trace.
        input: String,
        /// What is wrong.
        source: TopError,
    },
}
