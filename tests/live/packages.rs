//! Packages of Python that scripts of the tests need, for each version, where
//! `cargo xtask test` has put them. It refuses to fetch any.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tests::interpreters::Interpreter;

/// The directory of packages for `interpreter`; `None` where there are none for it.
///
/// # Panics
/// When no package was fetched at all and `PYEBPF_REQUIRE_BPF` is 1.
pub(crate) fn packages(interpreter: &Interpreter) -> Option<PathBuf> {
    let all = env::var_os("PYEBPF_PACKAGES").map(PathBuf::from);
    let is_required = env::var_os("PYEBPF_REQUIRE_BPF").is_some_and(|value| value == "1");
    assert!(
        all.is_some() || !is_required,
        "PYEBPF_PACKAGES names no packages; run the tests by `cargo xtask test`"
    );
    let kind = if interpreter.free_threaded { "t" } else { "" };
    let own = all?.join(format!("3.{}{kind}", interpreter.minor));
    own.is_dir().then_some(own)
}

/// Copies a directory: interpreters of private roots see that of the script only.
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
