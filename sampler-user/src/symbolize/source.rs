//! The text of source lines, read from the target's own files. It refuses to
//! read more than a bounded amount of any file, and to fail: a line that cannot
//! be had is empty.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

use crate::process::files::{FileView, RootIdentity};

/// Source files longer than this have no lines for us.
const MAX_FILE: u64 = 4 << 20;
/// Bytes of source kept in memory; lines once asked for are kept elsewhere.
const MAX_KEPT: usize = 8 << 20;
/// Characters of a line that are shown.
const MAX_LINE: usize = 256;

/// Reads source lines.
#[derive(Default)]
pub(super) struct Sources {
    files: HashMap<(RootIdentity, PathBuf), SourceFile>,
    kept: usize,
}

/// A source file, or that there is none.
#[derive(Default)]
struct SourceFile {
    text: Box<[u8]>,
    /// Where each line starts.
    starts: Box<[u32]>,
}

impl Sources {
    /// The line `line` (from 1) of the file that the process calls `name`,
    /// without leading and trailing space; empty when it cannot be read.
    pub(super) fn line(&mut self, view: &FileView, name: &str, line: u32) -> String {
        let Some(path) = view.absolute(name) else {
            return String::new();
        };
        let key = (view.identity(), path);
        if !self.files.contains_key(&key) {
            let file = SourceFile::read(view, &key.1).unwrap_or_default();
            if self.kept + file.weight() > MAX_KEPT {
                self.files.clear();
                self.kept = 0;
            }
            self.kept += file.weight();
            self.files.insert(key.clone(), file);
        }
        self.files
            .get(&key)
            .map(|file| file.line(line))
            .unwrap_or_default()
    }
}

impl SourceFile {
    fn read(view: &FileView, path: &std::path::Path) -> std::io::Result<Self> {
        let mut text = Vec::new();
        view.open(path)?.take(MAX_FILE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_FILE {
            return Ok(Self::default());
        }
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(0)
            .chain(ends.map(|(end, _)| end as u32 + 1))
            .collect();
        Ok(Self {
            text: text.into(),
            starts,
        })
    }

    /// What it costs to keep.
    fn weight(&self) -> usize {
        self.text.len() + self.starts.len() * size_of::<u32>() + size_of::<Self>()
    }

    fn line(&self, number: u32) -> String {
        let Some(index) = number.checked_sub(1) else {
            return String::new();
        };
        let Some(start) = self.starts.get(index as usize) else {
            return String::new();
        };
        let rest = self.text.get(*start as usize..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
        let line = String::from_utf8_lossy(&rest[..end]);
        line.trim().chars().take(MAX_LINE).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lines_of_real_files() {
        let view = FileView::of(std::process::id()).expect("this process lives");
        let mut sources = Sources::default();
        assert_eq!(sources.line(&view, "Cargo.toml", 1), "[package]");
        assert_eq!(sources.line(&view, "Cargo.toml", 0), "");
        assert_eq!(sources.line(&view, "Cargo.toml", 100_000), "");
        assert_eq!(sources.line(&view, "no such file", 1), "");
        assert_eq!(sources.line(&view, "<string>", 1), "");
    }
}
