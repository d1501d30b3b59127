// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `view`: makes an HTML page of any trace, which only the caller can read, and
//! lets the caller's desktop open it.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sampler_trace::convert::error::ConvertError;
use sampler_trace::convert::{ConvertOptions, Output, convert};
use sampler_trace::formats::format::Format;

use crate::cli::config::ViewConfig;
use crate::cli::config::exit::ExitStatus;
use crate::platform::console::CONSOLE;
use crate::platform::delivery::destination;
use crate::platform::desktop;
use crate::platform::privileges::{Owner, PrivilegeError};

/// The first bytes of the pages that pyebpf writes.
const PAGE: &[u8] = b"<!doctype html>";

/// Why a trace was not shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The trace cannot be opened.
    #[error("cannot open {path}: {source}", path = path.display())]
    Open {
        /// The trace.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The trace cannot be read, or the page cannot be written.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The caller of sudo cannot be determined.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// Standard output cannot be written to.
    #[error("cannot write to standard output: {source}")]
    Print {
        /// The kernel's error.
        source: io::Error,
    },
}

/// Makes the page, prints its path, and opens it if that is possible.
///
/// # Errors
/// [`ViewError`]. A browser that cannot be started is no error: the page is there.
pub fn view(config: &ViewConfig) -> Result<ExitStatus, ViewError> {
    let owner = Owner::of_this_process()?;
    let page = page_of(&config.input, &owner)?;
    let said = writeln!(io::stdout(), "{}", page.display());
    said.map_err(|source| ViewError::Print { source })?;
    if !config.open {
        return Ok(ExitStatus::DATA);
    }
    if !desktop::is_there() {
        CONSOLE.note(
            "there is no desktop here: open the page in a browser, or copy it to \
             another computer; it is one file and needs no network",
        );
        return Ok(ExitStatus::DATA);
    }
    match desktop::open(&page, &owner) {
        Ok(()) => CONSOLE.note(format_args!(
            "opening it; if your browser cannot read that directory, use \
             `pyebpf convert {} -o trace.html`",
            config.input.display()
        )),
        Err(error) => CONSOLE.note(format_args!("open the page in a browser yourself: {error}")),
    }
    Ok(ExitStatus::DATA)
}

/// Returns the path of the trace itself if it is a page, else makes a page of it.
fn page_of(input: &Path, owner: &Owner) -> Result<PathBuf, ViewError> {
    let open = |source| ViewError::Open {
        path: input.to_owned(),
        source,
    };
    let file = File::open(input).map_err(open)?;
    let mut start = Vec::new();
    let beginning = (&file).take(PAGE.len() as u64).read_to_end(&mut start);
    beginning.map_err(open)?;
    if start == PAGE {
        return std::path::absolute(input).map_err(open);
    }
    let page = Output {
        path: page_path(input),
        format: Format::Html,
        gzip: false,
    };
    convert(
        io::Cursor::new(start).chain(file),
        std::slice::from_ref(&page),
        &ConvertOptions::default(),
        |path| destination(path, owner),
    )?;
    Ok(page.path)
}

/// Returns a new path in the directory for temporary files, named after the trace.
fn page_path(input: &Path) -> PathBuf {
    let stem: String = input
        .file_stem()
        .and_then(OsStr::to_str)
        .unwrap_or("trace")
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() || "._-".contains(letter) {
                letter
            } else {
                '_'
            }
        })
        .take(64)
        .collect();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let unique = format!(
        "pyebpf-{stem}-{}-{}.html",
        now.as_micros(),
        std::process::id()
    );
    env::temp_dir().join(unique)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::page_path;

    #[test]
    fn pages_have_plain_names_that_are_never_the_same() {
        let page = page_path(Path::new("/x/a b;$(c).pyebpf"));
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("pyebpf-a_b___c_-"), "{name}");
        assert_ne!(page, page_path(Path::new("/x/a b;$(c).pyebpf")));
    }
}
