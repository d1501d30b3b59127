// SPDX-License-Identifier: MIT OR Apache-2.0

//! An ordinary user, and what such a user may run and read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tests::interpreters::Interpreter;

use crate::support::machine::Machine;
use crate::support::programs::copy_program;
use crate::support::scratch::Scratch;
use crate::support::target::scripts;

/// The user and group of `nobody`.
pub(crate) const ORDINARY: u32 = 65534;

/// Returns an interpreter that every user may run.
pub(crate) fn public(machine: &Machine) -> &Interpreter {
    let mut all = machine.interpreters.iter();
    all.find(|it| it.path.starts_with("/usr"))
        .expect("a Python of the distribution")
}

/// Creates a directory that everybody may look into, with a script in it.
pub(crate) fn open_directory(script: &str) -> Scratch {
    let directory = Scratch::new();
    allow(directory.path(), 0o755);
    let copy = directory.path().join(script);
    fs::copy(scripts().join(script), &copy).expect("our directory");
    allow(&copy, 0o644);
    directory
}

/// Sets the permissions of a file.
pub(crate) fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// Copies the program under test to where every user may run it.
pub(crate) fn public_program(machine: &Machine) -> (Scratch, PathBuf) {
    let directory = Scratch::new();
    allow(directory.path(), 0o755);
    let program = directory.path().join("pyebpf");
    copy_program(&machine.pyebpf, &program);
    allow(&program, 0o755);
    (directory, program)
}
