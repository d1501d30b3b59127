// SPDX-License-Identifier: MIT OR Apache-2.0

//! Prints the results of commands.

use std::io::{self, Write};

/// Prints to standard output. A reader that is gone, as with `head`, is no error.
pub(super) fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
