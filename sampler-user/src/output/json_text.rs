//! JSON in ASCII, which readers that take bytes for characters show right. It
//! refuses to know what is written.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

struct Ascii;

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
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
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

/// Appends a value as compact JSON in ASCII.
pub(super) fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Ascii);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
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
