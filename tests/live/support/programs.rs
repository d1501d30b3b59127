// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds the C programs and libraries that the tests sample.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::interpreters::Interpreter;

use crate::support::scratch::Scratch;
use crate::support::target::program_command;

/// Why a test that needs [`Development`] is not run without it.
pub(crate) const NO_HEADERS: &str = "this host has no headers for it";

/// What a build needs to embed an interpreter in a program.
pub(crate) struct Development {
    headers: PathBuf,
    /// The directory of the shared library; below, its file name.
    libraries: PathBuf,
    shared: String,
    /// The static library, which need not exist; below, the libraries that it needs.
    archive: PathBuf,
    needs: Vec<String>,
    /// The 12 in 3.12.1.
    pub(crate) minor: u8,
    /// The value for `PYTHONHOME`.
    pub(crate) home: PathBuf,
}

const ASK: &str = "import json, sys, sysconfig; get = sysconfig.get_config_var; print(json.dumps([\
    sysconfig.get_path('include'), get('LIBDIR'), get('INSTSONAME'), get('LIBPL'), \
    'libpython%s.a' % get('LDVERSION'), sys.base_prefix, \
    ' '.join([get('LIBS') or '', get('SYSLIBS') or '', get('MODLIBS') or ''])]))";

impl Development {
    /// Returns what belongs to `interpreter`; `None` if this host does not have it, as
    /// for private roots.
    pub(crate) fn of(interpreter: &Interpreter) -> Option<Self> {
        let path = &interpreter.path;
        if path.to_string_lossy().contains("/roots/") {
            return None;
        }
        let output = Command::new(path).args(["-c", ASK]).output().ok()?;
        let answer: Vec<Value> = serde_json::from_slice(&output.stdout).ok()?;
        let text = |index: usize| answer.get(index)?.as_str().map(ToOwned::to_owned);
        let headers = PathBuf::from(text(0)?);
        let archive = Path::new(&text(3)?).join(text(4)?);
        let found = Self {
            libraries: text(1)?.into(),
            shared: text(2).unwrap_or_default(),
            archive,
            minor: interpreter.minor,
            needs: text(6)?.split_whitespace().map(ToOwned::to_owned).collect(),
            home: text(5)?.into(),
            headers,
        };
        found.headers.join("Python.h").is_file().then_some(found)
    }

    /// Returns the shared library, if there is one.
    pub(crate) fn shared(&self) -> Option<PathBuf> {
        let library = self.libraries.join(&self.shared);
        (self.shared.contains(".so") && library.is_file()).then_some(library)
    }

    /// Returns the static library, if there is one. Debian has a separate one for
    /// position-independent programs.
    pub(crate) fn archive(&self, for_anywhere: bool) -> Option<PathBuf> {
        let name = self.archive.file_stem()?.to_str()?;
        let other = self.archive.with_file_name(format!("{name}-pic.a"));
        let found = if for_anywhere && other.is_file() {
            other
        } else {
            self.archive.clone()
        };
        found.is_file().then_some(found)
    }

    /// Builds `source` of `programs` with the shared library, which the program looks
    /// for in `place` when it runs; without `place`, where the library is.
    pub(crate) fn link_shared(&self, library: &Path, source: &str, to: &Path, place: Option<&str>) {
        let mut compiler = compiler(source, to);
        compiler.arg("-I").arg(&self.headers).arg(library);
        let here = self.libraries.to_str().expect("UTF-8");
        compiler.arg(format!("-Wl,-rpath,{}", place.unwrap_or(here)));
        build(compiler);
    }

    /// Builds `source` with the static library in it, and with these options.
    pub(crate) fn link_static(&self, archive: &Path, source: &str, to: &Path, options: &[&str]) {
        let mut compiler = compiler(source, to);
        compiler.arg("-I").arg(&self.headers).arg(archive);
        compiler.args(&self.needs).args(options);
        build(compiler);
    }

    /// Builds an extension module.
    pub(crate) fn extension(&self, source: &Path, to: &Path) {
        let mut compiler = program_command(Path::new("cc"));
        compiler
            .args(["-O1", "-shared", "-fPIC", "-w", "-o"])
            .arg(to);
        compiler.arg(source).arg("-I").arg(&self.headers);
        build(compiler);
    }
}

/// Builds `source` as a program without Python.
pub(crate) fn program(directory: &Scratch, source: &str) -> PathBuf {
    let to = directory.path().join(source).with_extension("");
    build(compiler(source, &to));
    to
}

/// Builds `source` as a shared library.
pub(crate) fn library(directory: &Path, source: &str) -> PathBuf {
    let to = directory.join(source).with_extension("so");
    let mut compiler = compiler(source, &to);
    compiler.args(["-shared", "-fPIC", "-pthread"]);
    build(compiler);
    to
}

fn compiler(source: &str, to: &Path) -> Command {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut command = program_command(Path::new("cc"));
    command
        .args(["-O2", "-o"])
        .arg(to)
        .arg(programs.join(source));
    command
}

fn build(mut compiler: Command) {
    let output = compiler.output().expect("building pyebpf needs cc, too");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler:?}: {said}");
}

/// Copies a program that is to be run. Another process does it: the kernel runs no file
/// that somebody has open for writing, and a child that another test starts at the same
/// time has all our files open until its own program runs.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "our directory");
}
