//! Starting cargo from inside cargo. It refuses to know which package is
//! built.

use std::process::Command;

/// Variables that cargo sets for the program it runs. They describe xtask, and
/// some would make a nested cargo rebuild what is up to date.
fn describes_xtask(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || matches!(
            name,
            "CARGO" | "CARGO_CRATE_NAME" | "CARGO_BIN_NAME" | "CARGO_PRIMARY_PACKAGE"
        )
}

/// The cargo that runs us.
pub(crate) fn command() -> Command {
    without_our_own_variables(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `program`, started as the user would have started it.
pub(crate) fn without_our_own_variables(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_xtask) {
            command.env_remove(name);
        }
    }
    command
}
