//! Finds the CPython interpreters that tests run. It refuses to know their
//! versions: an interpreter is asked for its own.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints what [`Interpreter`] holds, in any version.
const ASK: &str = "import sys, sysconfig; print(*sys.version_info[:3], \
    int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), \
    int('musl' in (sysconfig.get_config_var('MULTIARCH') or '')), sys.implementation.name)";

/// One interpreter that runs here.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// What to execute: the interpreter, or a script that runs it.
    pub path: PathBuf,
    /// The 12 in 3.12.1.
    pub minor: u8,
    /// The 1 in 3.12.1.
    pub patch: u8,
    /// True for a build whose threads run without the global lock.
    pub free_threaded: bool,
    /// True where the C library is musl.
    pub musl: bool,
}

/// Every CPython 3.6 or later under `~/.pyenv/versions`, `/usr/bin/python3`, and
/// those named in `PYEBPF_PYTHONS`, separated by colons. One of each version, in
/// order of version.
///
/// # Panics
/// When there is none, or when one named in `PYEBPF_PYTHONS` does not run.
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

/// The CPythons named in `PYEBPF_SOURCE_BUILDS`: of a version that is among
/// [`interpreters`], and unlike those.
///
/// # Panics
/// When one does not run.
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

/// Asks what is at `path` for its version. `None` when it does not run, or is
/// not a CPython of 3.6 or later.
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
