// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads small files of the system that is examined.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More than the length of any file that a check reads, in bytes; what is longer is cut.
const LONGEST_FILE: u64 = 256 * 1024;

/// The system to examine: its root directory, which is `/` except in tests, and its
/// processor.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    root: &'a Path,
    /// The processor architecture, as Rust names it.
    pub(super) architecture: &'a str,
}

impl Probe<'static> {
    /// The system that pyebpf runs on.
    pub fn of_this_system() -> Self {
        Self::new(Path::new("/"), std::env::consts::ARCH)
    }
}

impl<'a> Probe<'a> {
    /// A system whose files lie under `root`.
    pub fn new(root: &'a Path, architecture: &'a str) -> Self {
        Self { root, architecture }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Reads the text of a file, without the white space around it; `None` when it cannot
    /// be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let mut content = Vec::new();
        File::open(self.path(path))
            .ok()?
            .take(LONGEST_FILE)
            .read_to_end(&mut content)
            .ok()?;
        Some(String::from_utf8_lossy(&content).trim().to_owned())
    }

    /// Reads the number that a file holds; `None` when there is none.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.read(path)?.parse().ok()
    }

    /// Returns the size of a file in bytes, if it can be opened.
    pub(super) fn size(&self, path: &str) -> Option<u64> {
        Some(File::open(self.path(path)).ok()?.metadata().ok()?.len())
    }

    /// Returns the target of a symbolic link.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        Some(
            std::fs::read_link(self.path(path))
                .ok()?
                .to_string_lossy()
                .into_owned(),
        )
    }
}
