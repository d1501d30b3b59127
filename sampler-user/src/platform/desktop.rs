// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opens a page in the browser of the caller's desktop.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use crate::platform::launch::error::LaunchError;
use crate::platform::launch::spawn;
use crate::platform::privileges::Owner;

/// The desktop's program that opens a file as the user has configured.
const OPENER: &str = "xdg-open";
/// Environment variables; without one of them there is no desktop.
const DISPLAYS: [&str; 2] = ["DISPLAY", "WAYLAND_DISPLAY"];

/// Whether there is a desktop on which a page can be opened.
pub fn is_there() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    DISPLAYS.into_iter().any(is_set)
}

/// Starts the program that opens `page`, as `owner`, and does not wait for it.
///
/// # Errors
/// When the program cannot be started.
pub fn open(page: &Path, owner: &Owner) -> Result<(), LaunchError> {
    let command = [OsString::from(OPENER), page.as_os_str().to_owned()];
    spawn(&command, owner)?.release().map(drop)
}
