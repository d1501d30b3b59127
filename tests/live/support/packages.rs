// SPDX-License-Identifier: MIT OR Apache-2.0

//! The Python packages that scripts of the tests need, for each version, where
//! `cargo xtask test` has put them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tests::interpreters::Interpreter;

use crate::support::machine::is_required;

/// Returns the directory of packages for `interpreter`; `None` if there is none.
///
/// # Panics
/// If `PYEBPF_PACKAGES` is not set and `PYEBPF_REQUIRE_BPF` is 1.
pub(crate) fn packages(interpreter: &Interpreter) -> Option<PathBuf> {
    let all = env::var_os("PYEBPF_PACKAGES").map(PathBuf::from);
    assert!(
        all.is_some() || !is_required(),
        "PYEBPF_PACKAGES names no packages; run the tests by `cargo xtask test`"
    );
    let kind = if interpreter.free_threaded { "t" } else { "" };
    let own = all?.join(format!("3.{}{kind}", interpreter.minor));
    own.is_dir().then_some(own)
}

/// Copies a directory, since private roots see only that of the script.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("our directory");
    for entry in fs::read_dir(from).expect("it was found") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("readable").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("our directory");
        }
    }
}
