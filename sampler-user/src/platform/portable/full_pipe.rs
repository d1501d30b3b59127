// SPDX-License-Identifier: MIT OR Apache-2.0

//! A full pipe that does not wait is an error here: only on Linux, where recordings are
//! written to pipes, is it waited for.

use std::fs::File;
use std::io::{self, ErrorKind};

/// Fails: a full standard output is not waited for.
///
/// # Errors
/// Always.
pub fn wait_for_standard_output() -> io::Result<()> {
    Err(ErrorKind::WouldBlock.into())
}

/// Fails: a full pipe is not waited for.
///
/// # Errors
/// Always.
pub fn wait_for(_: &File) -> io::Result<()> {
    Err(ErrorKind::WouldBlock.into())
}
