// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `top`: shows in the terminal what a trace says of the last seconds, while it
//! is written. Without a trace it records one.

#[cfg(target_os = "linux")]
mod recording;

use std::fs::File;
use std::io::{self, Empty, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use sampler_top::growing::GrowingFile;
use sampler_top::run::{Input, TopError, run};

use crate::cli::config::exit::ExitStatus;
use crate::cli::config::{TopConfig, TopSource};
use crate::platform::delivery::named;

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// Standard output is no terminal.
    #[error("`top` needs a terminal, and standard output is none; `pyebpf report` prints a text")]
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

/// Shows a trace until the user has seen enough.
///
/// # Errors
/// [`ShowError`]. The terminal is as it was before.
pub fn top(config: &TopConfig) -> Result<ExitStatus, ShowError> {
    if !io::stdout().is_terminal() {
        return Err(ShowError::NoTerminal);
    }
    let path = match &config.source {
        TopSource::Trace(path) => path,
        #[cfg(target_os = "linux")]
        TopSource::Recording(_) => return recording::show(config.length),
        #[cfg(not(target_os = "linux"))]
        TopSource::Recording(_) => return Err(ShowError::NeedsLinux),
    };
    let input = Input {
        trace: open(path)?,
        messages: None::<Empty>,
        length: config.length,
    };
    run(input).map_err(|source| ShowError::Top {
        input: named(path, "standard input"),
        source,
    })?;
    Ok(ExitStatus::DATA)
}

/// Opens a trace that may still grow; `-` is standard input.
fn open(path: &Path) -> Result<Box<dyn Read + Send>, ShowError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let failed = |source| ShowError::Open {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    // What is no regular file waits for more by itself, and has an end.
    Ok(match file.metadata().map_err(failed)?.is_file() {
        true => Box::new(GrowingFile::new(file)),
        false => Box::new(file),
    })
}
