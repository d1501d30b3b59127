// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads MOJO, Austin's file format, as far as the bench needs it: metadata, stacks and
//! their frames.
//!
//! The format is described in Austin's wiki ("The MOJO file format") and by its
//! `mojo.h`: each event is one byte for its kind, followed by numbers of variable
//! length and zero-terminated strings. Version 3 adds the interpreter to a stack.

use std::collections::HashMap;

use super::judge::{Frame, Stack};

const METADATA: u8 = 1;
const STACK: u8 = 2;
const FRAME: u8 = 3;
const FRAME_INVALID: u8 = 4;
const FRAME_REFERENCE: u8 = 5;
const FRAME_KERNEL: u8 = 6;
const GC: u8 = 7;
const IDLE: u8 = 8;
const TIME: u8 = 9;
const MEMORY: u8 = 10;
const STRING: u8 = 11;
const STRING_REFERENCE: u8 = 12;

/// The contents of a file.
#[derive(Debug, Default)]
pub(super) struct Mojo {
    /// Values by name, such as `duration`.
    pub(super) metadata: HashMap<String, String>,
    /// In order of time, each with a count of 1.
    pub(super) stacks: Vec<Stack>,
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Reads a number: six bits and a sign in the first byte, seven bits in each that
    /// follows.
    fn number(&mut self) -> Option<i128> {
        let first = self.byte()?;
        let mut number = i128::from(first & 0x3f);
        let (mut byte, mut shift) = (first, 6);
        while byte & 0x80 != 0 && shift < 100 {
            byte = self.byte()?;
            number |= i128::from(byte & 0x7f) << shift;
            shift += 7;
        }
        Some(if first & 0x40 == 0 { number } else { -number })
    }

    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = &self.0[end + 1..];
        Some(text)
    }
}

/// Reads a file; `None` if it is not MOJO, has an unknown event, or is cut within an
/// event.
pub(super) fn read(bytes: &[u8]) -> Option<Mojo> {
    let mut bytes = Bytes(bytes.strip_prefix(b"MOJ")?);
    let version = bytes.number()?;
    let mut mojo = Mojo::default();
    // The keys of strings and frames are unique only within a process.
    let mut process = 0;
    let mut strings: HashMap<(i128, i128), String> = HashMap::new();
    let mut frames: HashMap<(i128, i128), Frame> = HashMap::new();
    while let Some(event) = bytes.byte() {
        match event {
            METADATA => {
                let (name, value) = (bytes.text()?, bytes.text()?);
                mojo.metadata.insert(name, value);
            }
            STACK => {
                process = bytes.number()?;
                if version >= 3 {
                    bytes.number()?;
                }
                bytes.text()?;
                mojo.stacks.push(Stack {
                    frames: Vec::new(),
                    count: 1,
                });
            }
            FRAME => {
                let [key, file, name, line] = [
                    bytes.number()?,
                    bytes.number()?,
                    bytes.number()?,
                    bytes.number()?,
                ];
                if version >= 2 {
                    for _ in 0..3 {
                        bytes.number()?;
                    }
                }
                let text = |number| strings.get(&(process, number)).map_or("", String::as_str);
                let line = line.try_into().unwrap_or(0);
                frames.insert((process, key), Frame::new(text(file), text(name), line));
            }
            FRAME_REFERENCE => {
                let frame = frames.get(&(process, bytes.number()?))?;
                mojo.stacks.last_mut()?.frames.push(frame.clone());
            }
            FRAME_KERNEL => drop(bytes.text()?),
            FRAME_INVALID | GC | IDLE => {}
            TIME | MEMORY | STRING_REFERENCE => drop(bytes.number()?),
            STRING => {
                let (key, text) = (bytes.number()?, bytes.text()?);
                strings.insert((process, key), text);
            }
            _ => return None,
        }
    }
    Some(mojo)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::judge::Frame;

    #[test]
    fn a_stack_of_two_frames_is_read() {
        let mut bytes = b"MOJ\x03\x01count\x002\x00".to_vec();
        bytes.extend(b"\x02\x87\x01\x00abc\x00");
        bytes.extend(b"\x0b\x02/x/s.py\x00\x0b\x03C.run\x00");
        // Key 300 has two bytes: 0x2c with the bit for more bytes, then 4.
        bytes.extend(b"\x03\xac\x04\x02\x03\x07\x00\x00\x00\x05\xac\x04\x05\xac\x04\x09\x41");
        let mojo = read(&bytes).expect("a whole file");
        assert_eq!(mojo.metadata["count"], "2");
        let frame = Frame::new("s.py", "run", 7);
        assert_eq!(mojo.stacks[0].frames, [frame.clone(), frame]);
        assert!(read(&bytes[..bytes.len() - 1]).is_none());
        assert!(read(b"{}").is_none());
    }
}
