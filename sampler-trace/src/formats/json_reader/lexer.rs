// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads JSON from a stream, piece by piece, with bounded memory and no recursion.

use std::io::Read;

use crate::formats::json_reader::error::JsonError;
use crate::model::symbols::MAXIMUM_STRING;

const BUFFER: usize = 1 << 16;
/// The longest number that is read, in characters.
const MAXIMUM_NUMBER: usize = 64;

/// Takes pieces of JSON off a stream.
pub(super) struct Lexer<R> {
    input: R,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// Where the buffer begins in the input, in bytes.
    base: u64,
}

/// Why a piece could not be read.
#[derive(Debug)]
pub(super) enum Stop {
    /// The input ended, so the file is torn.
    End,
    /// Anything else.
    Failed(JsonError),
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Self {
        Self::Failed(error)
    }
}

impl<R: Read> Lexer<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER],
            at: 0,
            filled: 0,
            base: 0,
        }
    }

    /// Where the next character is, in bytes from the start.
    pub(super) fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Returns the bytes at hand, at least one, and reads more if there are none.
    fn rest(&mut self) -> Result<&[u8], Stop> {
        if self.at >= self.filled {
            self.base += self.filled as u64;
            self.at = 0;
            self.filled = 0;
            while self.filled == 0 {
                match self.input.read(&mut self.buffer) {
                    Ok(0) => return Err(Stop::End),
                    Ok(count) => self.filled = count.min(BUFFER),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    // A gzip file is cut off.
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                        return Err(Stop::End);
                    }
                    Err(source) => return Err(JsonError::Read { source }.into()),
                }
            }
        }
        Ok(self.buffer.get(self.at..self.filled).unwrap_or_default())
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        let byte = self.rest()?.first().copied().ok_or(Stop::End)?;
        self.at += 1;
        Ok(byte)
    }

    /// Skips white space, and returns the next character without taking it.
    pub(super) fn peek(&mut self) -> Result<u8, Stop> {
        loop {
            match self.rest()?.first().copied().ok_or(Stop::End)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Ok(byte),
            }
        }
    }

    /// Skips white space, and takes `expected`.
    pub(super) fn expect(&mut self, expected: u8) -> Result<(), Stop> {
        if self.peek()? == expected {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    /// Skips white space, and takes the next character if it is `wanted`.
    pub(super) fn take_if(&mut self, wanted: u8) -> Result<bool, Stop> {
        let found = self.peek()? == wanted;
        self.at += usize::from(found);
        Ok(found)
    }

    pub(super) fn unexpected(&self) -> Stop {
        JsonError::Syntax {
            at: self.position(),
        }
        .into()
    }

    /// Takes a number or a bare word such as `null`, as its text.
    pub(super) fn word<'t>(&mut self, into: &'t mut String) -> Result<&'t str, Stop> {
        into.clear();
        self.peek()?;
        while let byte @ (b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') =
            self.rest()?.first().copied().ok_or(Stop::End)?
        {
            into.push(char::from(byte));
            self.at += 1;
            if into.len() > MAXIMUM_NUMBER {
                return Err(self.unexpected());
            }
        }
        if into.is_empty() {
            Err(self.unexpected())
        } else {
            Ok(into)
        }
    }

    /// Takes a string. Of what exceeds [`MAXIMUM_STRING`], only enough is kept for the
    /// interner to notice.
    pub(super) fn string(&mut self, into: &mut Vec<u8>) -> Result<(), Stop> {
        into.clear();
        self.expect(b'"')?;
        loop {
            let rest = self.rest()?;
            let plain = rest.iter().position(|&byte| byte == b'"' || byte == b'\\');
            let end = plain.unwrap_or(rest.len());
            let room = (MAXIMUM_STRING + 1).saturating_sub(into.len()).min(end);
            into.extend(rest.get(..room).unwrap_or_default());
            self.at += end;
            if plain.is_some() {
                if self.byte()? == b'"' {
                    return Ok(());
                }
                let character = self.escape()?;
                if into.len() <= MAXIMUM_STRING {
                    into.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        Ok(match self.byte()? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'u' => return self.unicode(),
            _ => return Err(self.unexpected()),
        })
    }

    /// Takes the rest of a `\u` escape. Python writes bytes of a file name that are not
    /// UTF-8 as lone surrogates: those become the replacement character.
    fn unicode(&mut self) -> Result<char, Stop> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if self.rest()?.first() != Some(&b'\\') {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        self.at += 1;
        if self.rest()?.first() != Some(&b'u') {
            // Another escape follows: it is taken by itself, and the surrogate before it
            // is lost.
            return self.escape();
        }
        self.at += 1;
        let second = self.hex()?;
        let low = second.wrapping_sub(0xdc00);
        let whole = 0x1_0000 + ((first - 0xd800) << 10) + (low & 0x3ff);
        let found = if low < 0x400 {
            char::from_u32(whole)
        } else {
            char::from_u32(second)
        };
        Ok(found.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, Stop> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()?).to_digit(16);
            value = value << 4 | digit.ok_or_else(|| self.unexpected())?;
        }
        Ok(value)
    }

    /// Takes any value, and copies its text into `copy` as long as that has fewer than
    /// `room` bytes.
    pub(super) fn skip(&mut self, mut copy: Option<&mut Vec<u8>>, room: usize) -> Result<(), Stop> {
        let mut depth = 0_u64;
        let mut in_string = false;
        self.peek()?;
        loop {
            let byte = self.byte()?;
            if let Some(copy) = copy.as_deref_mut()
                && copy.len() < room
            {
                copy.push(byte);
            }
            match byte {
                b'\\' if in_string => {
                    let escaped = self.byte()?;
                    if let Some(copy) = copy.as_deref_mut()
                        && copy.len() < room
                    {
                        copy.push(escaped);
                    }
                }
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b',' | b':' | b']' | b'}' if depth == 0 => return Err(self.unexpected()),
                _ => {}
            }
            if depth == 0 && !in_string {
                match self.rest()?.first() {
                    // A bare word goes on until one of these.
                    Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => return Ok(()),
                    _ if matches!(byte, b'"' | b']' | b'}') => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}
