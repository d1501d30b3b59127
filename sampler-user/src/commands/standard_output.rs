// SPDX-License-Identifier: MIT OR Apache-2.0

//! Prints the results of commands.

use std::io::{self, ErrorKind, Write};

use crate::platform::full_pipe;

/// Prints to standard output. A reader that is gone, as with `head`, is no error.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let mut rest = text.as_bytes();
    loop {
        let written = if rest.is_empty() {
            output.flush().map(|()| None)
        } else {
            output.write(rest).map(Some)
        };
        match written {
            Ok(None) => return Ok(()),
            Ok(Some(0)) => return Err(ErrorKind::WriteZero.into()),
            Ok(Some(number)) => rest = rest.get(number..).unwrap_or_default(),
            Err(error) => match error.kind() {
                ErrorKind::BrokenPipe => return Ok(()),
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => full_pipe::wait_for_standard_output()?,
                _ => return Err(error),
            },
        }
    }
}
