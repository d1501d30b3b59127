// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells whether the journal of systemd reads what is written to standard error.

use std::os::unix::fs::MetadataExt as _;

/// Whether standard error leads to the journal: `JOURNAL_STREAM` has its device and inode
/// (`systemd.exec(5)`). A program that was started with another one inherits the variable
/// as well.
#[must_use]
pub fn reads_standard_error() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|it| stream.to_str() == Some(&format!("{}:{}", it.dev(), it.ino())))
}
