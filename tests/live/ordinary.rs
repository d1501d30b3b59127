//! An ordinary user, and what such a one may run and read. It refuses to know what
//! for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tests::interpreters::Interpreter;

use crate::machine::Machine;
use crate::scratch::Scratch;
use crate::target::scripts;

/// Nobody in particular.
pub(crate) const ORDINARY: u32 = 65534;

/// An interpreter that every user may run.
pub(crate) fn public(machine: &Machine) -> &Interpreter {
    let mut all = machine.interpreters.iter();
    all.find(|it| it.path.starts_with("/usr"))
        .expect("a Python of the distribution")
}

/// A directory that everybody may look into, with a script in it.
pub(crate) fn open_directory(script: &str) -> Scratch {
    let directory = Scratch::new();
    allow(directory.path(), 0o755);
    let copy = directory.path().join(script);
    fs::copy(scripts().join(script), &copy).expect("our directory");
    allow(&copy, 0o644);
    directory
}

/// Sets who may do what with a file.
pub(crate) fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// A copy of the program under test that every user may run.
pub(crate) fn public_program(machine: &Machine) -> (Scratch, PathBuf) {
    let directory = Scratch::new();
    allow(directory.path(), 0o755);
    let program = directory.path().join("pyebpf");
    fs::copy(&machine.pyebpf, &program).expect("our directory");
    allow(&program, 0o755);
    (directory, program)
}
