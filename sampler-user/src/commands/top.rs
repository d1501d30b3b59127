// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `top`: shows in the terminal what a trace says of the last seconds, while it
//! is written. Without a trace it records one.

pub mod error;
#[cfg(target_os = "linux")]
mod recording;

use std::fs::File;
use std::io::{self, Empty, IsTerminal as _, Read};
use std::path::Path;

use sampler_top::growing::GrowingFile;
use sampler_top::run::{Input, run};

use crate::cli::config::exit::ExitStatus;
use crate::cli::config::{TopConfig, TopSource};
use crate::commands::top::error::ShowError;
use crate::platform::delivery::named;

/// Shows a trace until the user quits.
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
