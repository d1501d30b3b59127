// SPDX-License-Identifier: MIT OR Apache-2.0

//! A buffer in front of a destination, so that each write is a long one.

use std::io::{self, Write};

/// How many bytes are collected before they are written.
const CHUNK: usize = 1 << 16;

/// A buffer in front of a destination, with the few kinds of text that every format
/// consists of.
pub(super) struct Out<W> {
    output: W,
    pub(super) buffer: Vec<u8>,
}

impl<W: Write> Out<W> {
    pub(super) fn new(output: W) -> Self {
        Self {
            output,
            buffer: Vec::with_capacity(2 * CHUNK),
        }
    }

    /// Appends bytes.
    pub(super) fn put(&mut self, bytes: impl AsRef<[u8]>) {
        self.buffer.extend_from_slice(bytes.as_ref());
    }

    /// Appends a number in decimal digits.
    pub(super) fn number(&mut self, number: impl itoa::Integer) {
        put_number(&mut self.buffer, number);
    }

    /// Appends a comma, unless `first`.
    pub(super) fn comma_unless(&mut self, first: bool) {
        if !first {
            self.buffer.push(b',');
        }
    }

    /// Appends microseconds as milliseconds: `1.5`, `20`, `0.001`.
    pub(super) fn milliseconds(&mut self, microseconds: u64) {
        self.number(microseconds / 1000);
        let rest = microseconds % 1000;
        if rest > 0 {
            let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
            let length = 3 - digits
                .iter()
                .rev()
                .take_while(|digit| **digit == b'0')
                .count();
            self.buffer.push(b'.');
            self.buffer.extend(digits.get(..length).unwrap_or_default());
        }
    }

    /// Writes what has been collected, if it is at least `CHUNK` bytes.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        if self.buffer.len() >= CHUNK {
            self.output.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes everything that is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.write_all(&self.buffer)?;
        self.output.flush()
    }
}

/// Appends a number in decimal digits.
pub(super) fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::Out;

    #[test]
    fn milliseconds_have_no_zeros_behind() {
        for (microseconds, text) in [
            (0, "0"),
            (1, "0.001"),
            (1500, "1.5"),
            (20_000, "20"),
            (20_010, "20.01"),
            (7_654_321, "7654.321"),
        ] {
            let mut bytes = Vec::new();
            let mut out = Out::new(&mut bytes);
            out.milliseconds(microseconds);
            out.finish().expect("memory takes all");
            assert_eq!(bytes, text.as_bytes());
        }
    }
}
