// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opens a page in the browser of the caller's desktop.

use std::io;
use std::path::Path;
use std::process::Command;

use super::privileges::Owner;

/// The program that opens a file as the user has configured. It gets the path as one
/// argument; no shell reads it.
const OPENER: &str = if cfg!(windows) {
    "explorer"
} else if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Whether there is a desktop on which a page can be opened. Not known before it is tried.
pub fn is_there() -> bool {
    true
}

/// Starts the program that opens `page`, and does not wait for it.
///
/// # Errors
/// When the program cannot be started.
pub fn open(page: &Path, _owner: &Owner) -> io::Result<()> {
    Command::new(OPENER).arg(page).spawn().map(drop)
}
