// SPDX-License-Identifier: MIT OR Apache-2.0

//! A file that another program is still writing.

use std::fs::File;
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

/// How often the file is checked. Not every system and file system tells when a file
/// grows, and a recorder writes every two seconds.
const EVERY: Duration = Duration::from_millis(500);

/// A file that is read to its end, and from there on as it grows.
#[derive(Debug)]
pub struct GrowingFile(File);

impl GrowingFile {
    /// Reads on from where the file is.
    #[must_use]
    pub const fn new(file: File) -> Self {
        Self(file)
    }
}

impl Read for GrowingFile {
    /// Waits at the end of the file, without end.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(into)? {
                0 if !into.is_empty() => thread::sleep(EVERY),
                length => return Ok(length),
            }
        }
    }
}
