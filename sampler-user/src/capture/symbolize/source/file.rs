// SPDX-License-Identifier: MIT OR Apache-2.0

//! One source file: its lines, as Python counts them, and when it last changed.

use std::borrow::Cow;
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sampler_cpython::process::files::FileView;

use crate::capture::symbolize::source::encoding::{Encoding, declared};

/// The longest source file that is read, in bytes; a longer one has no lines.
pub(super) const MAX_FILE: u64 = 4 << 20;
/// Most bytes of a line that are decoded.
const MAX_LINE_BYTES: usize = 4096;
/// Most characters of a line that are shown.
const MAX_LINE: usize = 256;

/// Identifies the content of a file: another content has another stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds since 1970.
    pub(super) modified: (i64, i64),
    /// When content, owner, mode or name last changed (ctime): nobody can set this back.
    pub(super) changed: (i64, i64),
}

impl Stamp {
    pub(super) fn from_metadata(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }

    /// Returns when the file was last touched in any way.
    pub(super) fn last_change(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.modified.max(self.changed);
        let since = Duration::new(
            u64::try_from(seconds).unwrap_or(0),
            u32::try_from(nanoseconds).unwrap_or(0),
        );
        SystemTime::UNIX_EPOCH
            .checked_add(since)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// A source file, or the fact that there is none.
#[derive(Debug, Default)]
pub(super) struct SourceFile {
    text: Box<[u8]>,
    encoding: Encoding,
    /// Offsets at which lines start.
    starts: Box<[u32]>,
    /// `None` when there is no file, or it is too long.
    pub(super) stamp: Option<Stamp>,
    /// Whether a function of the process was found where its code says it is.
    pub(super) is_vouched_for: bool,
    /// Whether a function of the process was not found there.
    pub(super) is_doubted: bool,
}

impl SourceFile {
    /// Reads a file; `None` when it still has the stamp `known`.
    pub(super) fn read(
        view: &FileView,
        path: &Path,
        known: Option<Stamp>,
        refuse: impl FnOnce(u64) -> bool,
    ) -> std::io::Result<Option<Self>> {
        let file = view.open(path, MAX_FILE, refuse)?;
        let stamp = Stamp::from_metadata(&file.metadata()?);
        if known == Some(stamp) {
            return Ok(None);
        }
        let mut text = Vec::new();
        // It may have grown since its size was checked.
        file.take(MAX_FILE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_FILE {
            return Ok(Some(Self::default()));
        }
        Ok(Some(Self::new(&text, Some(stamp))))
    }

    pub(super) fn new(file: &[u8], stamp: Option<Stamp>) -> Self {
        let (text, encoding) = declared(file);
        Self {
            starts: line_starts(text),
            text: text.into(),
            encoding,
            stamp,
            ..Self::default()
        }
    }

    /// Returns the whole text, without a byte order mark.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it is a Python file, by its name or its first line.
    pub(super) fn is_python(&self, path: &Path) -> bool {
        let extension = path.extension().unwrap_or_default();
        extension == "py" || extension == "pyw" || {
            // If the interpreter's path is too long for the first line, it is in the
            // second, where a shell finds it.
            let lines = [1, 2].map(|number| self.raw_line(number).unwrap_or_default());
            let names_python = |line: &[u8]| line.windows(6).any(|it| it == b"python");
            lines[0].starts_with(b"#!") && lines.into_iter().any(names_python)
        }
    }

    /// Returns how much memory it occupies, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.text.len() + self.starts.len() * size_of::<u32>() + size_of::<Self>()
    }

    /// Returns the bytes of the line `number`, counted from 1, without its line ending.
    pub(super) fn raw_line(&self, number: u32) -> Option<&[u8]> {
        let index = number.checked_sub(1)? as usize;
        let start = *self.starts.get(index)? as usize;
        let end = self
            .starts
            .get(index + 1)
            .map_or(self.text.len(), |next| *next as usize);
        let mut line = self.text.get(start..end)?;
        while let Some((b'\n' | b'\r', before)) = line.split_last() {
            line = before;
        }
        Some(line)
    }

    /// Returns the line `number` as text; `None` if there is none, or its bytes are no
    /// text in the file's encoding.
    pub(super) fn line(&self, number: u32) -> Option<Cow<'_, str>> {
        let line = self.raw_line(number)?;
        match self
            .encoding
            .decode(line.get(..MAX_LINE_BYTES).unwrap_or(line))
        {
            // It may have been cut within a character.
            None if line.len() > MAX_LINE_BYTES => self.encoding.decode(line),
            text => text,
        }
    }

    /// Returns the line as it is shown, without leading and trailing space.
    pub(super) fn shown_line(&self, number: u32) -> Option<String> {
        let line = self.line(number)?;
        Some(line.trim().chars().take(MAX_LINE).collect())
    }
}

/// Returns where lines start. They end at a line feed, a carriage return, or both
/// (`translate_newlines`, Parser/tokenizer/helpers.c), and nowhere else.
fn line_starts(text: &[u8]) -> Box<[u32]> {
    let ends = text.iter().enumerate().filter(|(at, byte)| match byte {
        b'\n' => true,
        b'\r' => text.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    std::iter::once(0)
        .chain(ends.map(|(end, _)| end as u32 + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end_for_python() {
        for text in [
            "a\nbb\n\n c",
            "a\rbb\r\r c",
            "a\r\nbb\r\n\r\n c",
            "\u{feff}a\nbb\n\r c",
        ] {
            let file = SourceFile::new(text.as_bytes(), None);
            let lines = [1, 2, 3, 4, 5, 0].map(|number| file.shown_line(number));
            let expected = [Some("a"), Some("bb"), Some(""), Some("c"), None, None];
            assert_eq!(lines, expected.map(|it| it.map(str::to_owned)), "{text:?}");
        }
        let other = SourceFile::new("a\x0b\x1c\u{85}\u{2028}b\x0c\nc".as_bytes(), None);
        assert_eq!(other.shown_line(2).as_deref(), Some("c"));
    }

    #[test]
    fn a_line_is_decoded_as_declared_and_cut() {
        let file = SourceFile::new(b"# coding: latin-1\nx = 'caf\xe9'\n", None);
        assert_eq!(file.shown_line(2).as_deref(), Some("x = 'café'"));
        let broken = SourceFile::new(b"x = 'caf\xe9'\ny", None);
        assert_eq!(broken.shown_line(1), None);
        assert_eq!(broken.shown_line(2).as_deref(), Some("y"));
        let long = "é".repeat(MAX_LINE_BYTES);
        let file = SourceFile::new(format!("x{long}").as_bytes(), None);
        let shown = file.shown_line(1).expect("it is text");
        assert_eq!(shown.chars().count(), MAX_LINE);
    }
}
