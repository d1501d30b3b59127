// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starts cargo from inside cargo.

use std::process::Command;

/// Whether this is a variable that cargo sets for the program that it runs. These
/// describe xtask, and some would make a nested cargo rebuild what is up to date.
fn describes_xtask(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || matches!(
            name,
            "CARGO" | "CARGO_CRATE_NAME" | "CARGO_BIN_NAME" | "CARGO_PRIMARY_PACKAGE"
        )
}

/// Returns a command for the cargo that runs xtask.
pub(crate) fn command() -> Command {
    without_our_own_variables(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Returns a command that starts `program` as the user would have started it.
pub(crate) fn without_our_own_variables(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_xtask) {
            command.env_remove(name);
        }
    }
    command
}

/// Does the same for a cargo that leaves the CPUs to whatever else wants them.
pub(crate) fn command_in_spare_time() -> Command {
    let cargo = command();
    let mut nice = without_our_own_variables("nice");
    nice.args(["-n", "19"]).arg(cargo.get_program());
    nice
}
