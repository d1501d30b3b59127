// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the CPython interpreters that tests run, and asks each for its version.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the fields of [`Interpreter`], in any version.
const ASK: &str = "import sys, sysconfig; print(*sys.version_info[:3], \
    int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), \
    int('musl' in (sysconfig.get_config_var('MULTIARCH') or '')), sys.implementation.name)";

/// An interpreter that runs on this host.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The file to execute: the interpreter, or a script that runs it.
    pub path: PathBuf,
    /// The 12 in 3.12.1.
    pub minor: u8,
    /// The 1 in 3.12.1.
    pub patch: u8,
    /// Whether it is a free-threaded build.
    pub free_threaded: bool,
    /// Whether the C library is musl.
    pub musl: bool,
}

/// Returns every CPython 3.6 or later under `~/.pyenv/versions`, `/usr/bin/python3`,
/// and those named in `PYEBPF_PYTHONS`, separated by colons. There is one of each
/// version, in order of version.
///
/// # Panics
/// If there is none, or if one named in `PYEBPF_PYTHONS` does not run or is not such a
/// CPython.
pub fn interpreters() -> Vec<Interpreter> {
    let mut found = BTreeMap::new();
    let mut add = |interpreter: Interpreter| {
        let version = (
            interpreter.minor,
            interpreter.patch,
            interpreter.free_threaded,
        );
        found.entry(version).or_insert(interpreter);
    };
    for path in env::split_paths(&env::var_os("PYEBPF_PYTHONS").unwrap_or_default()) {
        if !path.as_os_str().is_empty() {
            add(ask(&path).unwrap_or_else(|| {
                panic!(
                    "{} of PYEBPF_PYTHONS does not run, or is no CPython",
                    path.display()
                )
            }));
        }
    }
    pyenv()
        .iter()
        .filter_map(|path| ask(path))
        .for_each(&mut add);
    ask(Path::new("/usr/bin/python3"))
        .into_iter()
        .for_each(&mut add);
    assert!(!found.is_empty(), "no CPython interpreter was found");
    found.into_values().collect()
}

/// Returns the CPythons named in `PYEBPF_SOURCE_BUILDS`, separated by colons: other
/// builds of versions that are among [`interpreters`].
///
/// # Panics
/// If one does not run or is not a CPython 3.6 or later.
pub fn source_builds() -> Vec<Interpreter> {
    let list = env::var_os("PYEBPF_SOURCE_BUILDS").unwrap_or_default();
    let paths = env::split_paths(&list).filter(|path| !path.as_os_str().is_empty());
    let asked = |path: PathBuf| {
        ask(&path).unwrap_or_else(|| {
            panic!(
                "{} of PYEBPF_SOURCE_BUILDS does not run, or is no CPython",
                path.display()
            )
        })
    };
    paths.map(asked).collect()
}

fn pyenv() -> Vec<PathBuf> {
    let home = env::var_os("HOME").unwrap_or_default();
    let Ok(versions) = Path::new(&home).join(".pyenv/versions").read_dir() else {
        return Vec::new();
    };
    versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin/python3"))
        .collect()
}

/// Asks the interpreter at `path` for its version. Returns `None` if it does not run,
/// or is not a CPython 3.6 or later.
fn ask(path: &Path) -> Option<Interpreter> {
    let output = Command::new(path).args(["-c", ASK]).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    let words: Vec<&str> = answer.split_whitespace().collect();
    let &["3", minor, patch, free_threaded, musl, "cpython"] = words.as_slice() else {
        return None;
    };
    let interpreter = Interpreter {
        path: path.to_owned(),
        minor: minor.parse().ok()?,
        patch: patch.parse().ok()?,
        free_threaded: free_threaded == "1",
        musl: musl == "1",
    };
    (interpreter.minor >= 6).then_some(interpreter)
}
