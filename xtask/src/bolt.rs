// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs BOLT, LLVM's optimizer of linked programs, from Debian's packages.

use std::path::Path;
use std::process::Command;

use crate::{packages, process};

/// The version to install if apt knows no package names yet: that of Debian 12.
const DEFAULT: u32 = 16;
/// The oldest version that has the options below.
const OLDEST: u32 = 15;
/// The newest version that is looked for.
const NEWEST: u32 = 29;

/// Writes `program`, which must be linked with `--emit-relocs`, to `into` with all of
/// its code at other addresses, as BOLT does with a profile: functions and their blocks
/// in another order, in new segments after the old ones.
pub(crate) fn rearrange(program: &Path, into: &Path) -> anyhow::Result<()> {
    let name = find_or_install()?;
    process::run(
        Command::new(name)
            .arg(program)
            .arg("-o")
            .arg(into)
            .args(["--reorder-blocks=reverse", "--reorder-functions=random"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    )
}

fn find_or_install() -> anyhow::Result<String> {
    let program = |version: u32| format!("llvm-bolt-{version}");
    let mut installed = (OLDEST..=NEWEST).rev().map(program);
    if let Some(name) = installed.find(|name| process::on_path(name)) {
        return Ok(name);
    }
    let names = process::read(Command::new("apt-cache").args(["pkgnames", "bolt-"]))?;
    let version = newest(&names).unwrap_or(DEFAULT);
    packages::need_program(
        &program(version),
        &format!("bolt-{version}"),
        "rearranging a CPython",
    )?;
    Ok(program(version))
}

/// Returns the highest supported number of a package `bolt-NUMBER`.
fn newest(names: &str) -> Option<u32> {
    let numbers = names
        .lines()
        .filter_map(|name| name.strip_prefix("bolt-")?.parse().ok());
    numbers
        .filter(|number| (OLDEST..=NEWEST).contains(number))
        .max()
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn the_newest_package_is_taken() {
        assert_eq!(newest("bolt-15\nbolt-16\nbolt-tools\nbolt-9\n"), Some(16));
        assert_eq!(newest("bolt-doc\n"), None);
    }
}
