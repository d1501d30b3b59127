// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds files in what was unpacked.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the first file below `directory` whose name is right.
pub(super) fn find(directory: &Path, is_right: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(directory).ok()?.flatten() {
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            directories.push(entry.path());
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_right) {
            return Some(entry.path());
        }
    }
    directories.iter().find_map(|it| find(it, is_right))
}
