//! Reads small files of a running system. It refuses to interpret them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No file that a check reads is longer; what is longer is cut.
const LONGEST_FILE: u64 = 256 * 1024;

/// A system to look at: its root directory, which is `/` except in tests.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    root: &'a Path,
    /// The processor, as Rust names it.
    pub(super) architecture: &'a str,
}

impl Probe<'static> {
    /// The system we run on.
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

    /// The text of a file without the white space around it; `None` when it
    /// cannot be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let mut content = Vec::new();
        File::open(self.path(path))
            .ok()?
            .take(LONGEST_FILE)
            .read_to_end(&mut content)
            .ok()?;
        Some(String::from_utf8_lossy(&content).trim().to_owned())
    }

    /// The number that a file holds.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.read(path)?.parse().ok()
    }

    /// The size of a file in bytes, if it can be opened.
    pub(super) fn size(&self, path: &str) -> Option<u64> {
        Some(File::open(self.path(path)).ok()?.metadata().ok()?.len())
    }

    /// Where a symbolic link points.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        Some(
            std::fs::read_link(self.path(path))
                .ok()?
                .to_string_lossy()
                .into_owned(),
        )
    }
}
