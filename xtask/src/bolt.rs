//! BOLT, LLVM's optimizer of linked programs, from Debian's packages. It refuses to
//! know which program it rearranges, and whether that gets any faster.

use std::path::Path;
use std::process::Command;

use crate::{packages, process};

/// What to install where apt knows no names of packages yet: Debian 12's.
const DEFAULT: u32 = 16;
/// The oldest that knows the options below.
const OLDEST: u32 = 15;
/// The newest that may come.
const NEWEST: u32 = 29;

/// Writes `program`, which was linked with `--emit-relocs`, to `into` with other
/// addresses for all of its code, as BOLT does with a profile: functions in another
/// order, and so their blocks, in segments of their own behind the old ones.
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

/// The highest number of a package `bolt-NUMBER`.
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
