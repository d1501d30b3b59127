// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the Pythons on this host that tests can use.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::probe;
use crate::roots::RootPython;

/// The variable in which tests find their interpreters: paths separated by colons.
pub const VARIABLE: &str = "PYEBPF_PYTHONS";

/// The oldest version for which the tests are written.
const OLDEST: (u8, u8) = (3, 8);

const PRINT_VERSION: &str =
    "import sys; print('%d %d %s' % (sys.version_info[0], sys.version_info[1], sys.executable))";

/// An interpreter and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The minor version: 12 of 3.12.
    pub minor: u8,
    /// The program to execute.
    pub path: PathBuf,
}

/// Returns the interpreters that live tests can use, with their versions.
pub fn with_versions(roots: &[RootPython]) -> Vec<Interpreter> {
    let of_roots = roots.iter().map(|python| python.inside.clone());
    let all = of_host().into_iter().chain(of_roots);
    let versions = all.filter_map(|path| {
        let ((_, minor), _) = version_of(&path)?;
        Some(Interpreter { minor, path })
    });
    versions.collect()
}

/// Returns the interpreters of the host itself: pyenv's, then the system's.
pub fn of_host() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut candidates = pyenv_candidates();
    candidates.push(PathBuf::from("/usr/bin/python3"));
    for candidate in candidates {
        if version_of(&candidate).is_some_and(|(version, _)| version >= OLDEST) {
            found.push(candidate);
        }
    }
    found
}

/// Returns the interpreter for the demo: the binary that `python3` really runs.
pub fn for_demo() -> Option<PathBuf> {
    let candidates = [PathBuf::from("python3"), PathBuf::from("/usr/bin/python3")];
    candidates.iter().find_map(|candidate| {
        version_of(candidate)
            .filter(|(version, _)| *version >= OLDEST)
            .map(|(_, path)| path)
    })
}

/// Returns the value of `PYEBPF_PYTHONS` for tests that run as root, where the
/// interpreters of private roots run inside these.
pub fn for_live_tests(roots: &[RootPython]) -> anyhow::Result<OsString> {
    join(roots.iter().map(|python| python.inside.clone()))
}

/// Returns the value of `PYEBPF_PYTHONS` for tests that only look at an interpreter,
/// where those of private roots run on the host.
pub fn for_host_tests(roots: &[RootPython]) -> anyhow::Result<OsString> {
    join(roots.iter().map(|python| python.by_loader.clone()))
}

fn join(of_roots: impl Iterator<Item = PathBuf>) -> anyhow::Result<OsString> {
    env::join_paths(of_host().into_iter().chain(of_roots))
        .context("an interpreter's path has a colon in it")
}

fn pyenv_candidates() -> Vec<PathBuf> {
    let root = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    let Some(entries) = root.and_then(|root| fs::read_dir(root.join("versions")).ok()) else {
        return Vec::new();
    };
    let mut binaries: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path().join("bin/python"))
        .collect();
    binaries.sort();
    binaries
}

fn version_of(python: &Path) -> Option<((u8, u8), PathBuf)> {
    let printed = probe(Command::new(python).args(["-c", PRINT_VERSION]))?;
    let mut words = printed.splitn(3, ' ');
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((version, PathBuf::from(words.next()?)))
}
