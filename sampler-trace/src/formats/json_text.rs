// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes JSON in one of two ways: in ASCII, which even readers that take bytes for
//! characters show correctly, or with visible characters as they are, for readers that do
//! not decode escapes.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

use crate::escape::is_unsafe;

/// Escapes everything but printable ASCII.
struct Ascii;

/// Escapes only what is not visible, and what JSON requires.
struct Readable;

impl Formatter for Ascii {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if (' '..='~').contains(&character) {
                writer.write_all(&[character as u8])?;
            } else {
                put_escaped(writer, character)?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

impl Formatter for Readable {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if is_unsafe(character) {
                put_escaped(writer, character)?;
            } else {
                writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes a backslash as `\u005c`: Perfetto takes a quote after a doubled backslash
    /// for an escaped quote.
    fn write_char_escape<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::ReverseSolidus => put_escaped(writer, '\\'),
            other => serde_json::ser::CompactFormatter.write_char_escape(writer, other),
        }
    }
}

fn put_escaped<W: Write + ?Sized>(writer: &mut W, character: char) -> io::Result<()> {
    let mut units = [0; 2];
    for unit in character.encode_utf16(&mut units) {
        write!(writer, "\\u{unit:04x}")?;
    }
    Ok(())
}

/// Appends a value as compact JSON in UTF-8. Visible characters are escaped only where
/// JSON requires it.
pub(super) fn put_readable(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Readable);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

/// Appends a value as compact JSON in ASCII.
pub(super) fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Ascii);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_visible_stays_readable() {
        let mut out = Vec::new();
        super::put_readable(&mut out, "a\"\\\u{202e}\u{7f}ä🐍").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#""a\"\u005c\u202e\u007fä🐍""#);
    }

    #[test]
    fn only_printable_ascii_comes_out() {
        let mut out = Vec::new();
        super::put(&mut out, "a\"\\\n\u{7f}\u{202e}ä🐍\0").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#""a\"\\\n\u007f\u202e\u00e4\ud83d\udc0d\u0000""#);
        assert_eq!(
            serde_json::from_str::<String>(&text).unwrap(),
            "a\"\\\n\u{7f}\u{202e}ä🐍\0"
        );
    }
}
