// SPDX-License-Identifier: MIT OR Apache-2.0

//! What every measurement needs to know: what was built and fetched, and the interpreters.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::plan::Plan;
use xtask::process::{probe, say};

const PRINT_VERSION: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.executable)";

/// An interpreter and its version.
pub(super) struct Python {
    pub(super) path: PathBuf,
    pub(super) version: String,
    /// Its `sys.executable`. If `path` is a wrapper that changes the root directory,
    /// this is a path inside that root.
    pub(super) executable: String,
}

/// What every measurement needs to know.
pub(super) struct Setting {
    pub(super) plan: Plan,
    pub(super) binary: PathBuf,
    pub(super) scripts: PathBuf,
    pub(super) scratch: PathBuf,
    /// py-spy, or why there is none.
    pub(super) py_spy: Result<PathBuf, String>,
    /// Austin, or why there is none.
    pub(super) austin: Result<PathBuf, String>,
    /// gunicorn, or why there is none.
    pub(super) gunicorn: Result<PathBuf, String>,
    /// Oldest version first.
    pub(super) pythons: Vec<Python>,
}

impl Setting {
    /// Returns the interpreter for what is measured with only one: the newest.
    pub(super) fn main_python(&self) -> anyhow::Result<&Python> {
        let newest = self.pythons.last();
        newest.context("there is no Python to sample")
    }
}

/// Returns those of the interpreters that run, with their versions, oldest first.
pub(super) fn versions(paths: &[PathBuf]) -> Vec<Python> {
    let mut found = Vec::new();
    for path in paths {
        let printed = probe(Command::new(path).args(["-c", PRINT_VERSION]));
        let words = printed.as_deref().and_then(|it| it.split_once(' '));
        match words.map(|(version, executable)| (version.to_owned(), executable.to_owned())) {
            Some((version, executable)) => found.push(Python {
                path: path.clone(),
                version,
                executable,
            }),
            None => say(format!("leaving out {}: it does not run", path.display())),
        }
    }
    found.sort_by_key(|python| number(&python.version));
    found
}

/// Splits a version into numbers, for comparison.
fn number(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}
