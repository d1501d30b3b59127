//! The text of source lines, read from the target's own files. It refuses to
//! read more than a bounded amount of any file, to wait for one without end, and
//! to fail: a line that cannot be had is empty.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::patient::{Patience, Patient, Unanswered};
use crate::privileges::Role;
use crate::process::files::{FileView, RootIdentity};

/// Source files longer than this have no lines for us.
const MAX_FILE: u64 = 4 << 20;
/// Bytes of source kept in memory; lines once asked for are kept elsewhere.
const MAX_KEPT: usize = 8 << 20;
/// Characters of a line that are shown.
const MAX_LINE: usize = 256;
/// A file of 4 MiB takes some milliseconds from a disk.
const PATIENCE: Patience = Patience {
    first: Duration::from_millis(400),
    least: Duration::from_millis(25),
};
/// After so many files of one root that gave no answer, no other of it is read:
/// someone plays with us. A single file system that hangs is left alone sooner.
const MOST_LATE: u32 = 4;
/// Roots and file systems without answer that are told apart.
const MAX_LATE: usize = 4096;

/// Reads source lines.
pub(super) struct Sources {
    reader: Patient<()>,
    files: HashMap<(RootIdentity, PathBuf), SourceFile>,
    kept: usize,
    late: HashMap<RootIdentity, u32>,
    /// File systems, by their device, on which a file gave no answer.
    hanging: Arc<[u64]>,
    /// Files that gave no answer in time.
    pub(super) unanswered: u64,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            reader: Patient::new("sources", Role::Sources, PATIENCE),
            files: HashMap::new(),
            kept: 0,
            late: HashMap::new(),
            hanging: Arc::default(),
            unanswered: 0,
        }
    }
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
    pub(super) fn line(&mut self, view: &Arc<FileView>, name: &str, line: u32) -> String {
        let Some(path) = view.absolute(name) else {
            return String::new();
        };
        let key = (view.identity(), path);
        if !self.files.contains_key(&key) {
            let file = self.read(view, &key.1).unwrap_or_default();
            let weight = file.weight() + key.1.as_os_str().len();
            if self.kept + weight > MAX_KEPT {
                self.files.clear();
                self.kept = 0;
            }
            self.kept += weight;
            self.files.insert(key.clone(), file);
        }
        self.files
            .get(&key)
            .map(|file| file.line(line))
            .unwrap_or_default()
    }

    /// `None` for a file that cannot be read, or not in time.
    fn read(&mut self, view: &Arc<FileView>, path: &Path) -> Option<SourceFile> {
        let root = view.identity();
        if self.late.get(&root).is_some_and(|late| *late >= MOST_LATE) {
            self.unanswered += 1;
            return None;
        }
        let (view, path) = (Arc::clone(view), path.to_owned());
        let hanging = Arc::clone(&self.hanging);
        // Where the one who reads is: on no file system yet, or on this device.
        let place = Arc::new(AtomicU64::new(0));
        let reached = Arc::clone(&place);
        let asked = self.reader.ask(move |()| {
            let refuse = |device| {
                reached.store(device, Ordering::Relaxed);
                hanging.contains(&device)
            };
            SourceFile::read(&view, &path, refuse)
        });
        if let Err(Unanswered::Late(_)) = asked {
            self.remember_late(root, place.load(Ordering::Relaxed));
        }
        match asked {
            Ok(Ok(file)) => Some(file),
            Ok(Err(error)) => {
                self.unanswered += u64::from(error.kind() == ErrorKind::TimedOut);
                None
            }
            Err(_) => {
                self.unanswered += 1;
                None
            }
        }
    }

    fn remember_late(&mut self, root: RootIdentity, device: u64) {
        if self.late.len() >= MAX_LATE {
            self.late.clear();
        }
        *self.late.entry(root).or_default() += 1;
        if device != 0 && self.hanging.len() < MAX_LATE {
            self.hanging = self.hanging.iter().copied().chain([device]).collect();
        }
    }
}

impl SourceFile {
    fn read(
        view: &FileView,
        path: &Path,
        refuse: impl FnOnce(u64) -> bool,
    ) -> std::io::Result<Self> {
        let mut text = Vec::new();
        // It may have grown since it was looked at.
        view.open(path, MAX_FILE, refuse)?
            .take(MAX_FILE + 1)
            .read_to_end(&mut text)?;
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
        let view = Arc::new(FileView::of(std::process::id()).expect("this process lives"));
        let mut sources = Sources::default();
        assert_eq!(sources.line(&view, "Cargo.toml", 1), "[package]");
        assert_eq!(sources.line(&view, "Cargo.toml", 0), "");
        assert_eq!(sources.line(&view, "Cargo.toml", 100_000), "");
        assert_eq!(sources.line(&view, "no such file", 1), "");
        assert_eq!(sources.line(&view, "<string>", 1), "");
    }
}
