// SPDX-License-Identifier: MIT OR Apache-2.0

//! Installs Debian packages on the host, such as the one of a missing program.

use anyhow::{Context as _, bail};

use crate::{process, sudo};

/// Makes sure that `program` can be started: installs `package` if it is missing and
/// the host has apt. `purpose` is what needs it, for the error.
pub(crate) fn need_program(program: &str, package: &str, purpose: &str) -> anyhow::Result<()> {
    if process::on_path(program) {
        return Ok(());
    }
    install(&[package]).with_context(|| format!("`{program}` is missing, {purpose} needs it"))
}

/// How long apt waits for another one that installs something, such as the daily upgrades.
const WAIT: &str = "-oDPkg::Lock::Timeout=600";

/// Installs packages with the host's own apt, as root.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    let names = packages.join(" ");
    if !process::on_path("apt-get") {
        bail!("this host has no apt-get: install what Debian calls {names} by its own means");
    }
    let by_hand = || format!("to install by hand: sudo apt-get install {names}");
    process::say(format!("installing the Debian packages {names}"));
    let variables = [("DEBIAN_FRONTEND", "noninteractive".as_ref())];
    let mut apt = sudo::command("apt-get", &variables).with_context(by_hand)?;
    apt.args([
        "install",
        WAIT,
        "--yes",
        "--quiet",
        "--no-install-recommends",
    ])
    .args(packages);
    if process::run(&mut apt).is_ok() {
        return Ok(());
    }
    process::say("reading the package lists again, they may be out of date");
    let mut update = sudo::command("apt-get", &variables)?;
    process::run(update.args(["update", "--quiet"])).with_context(by_hand)?;
    process::run(&mut apt).with_context(by_hand)
}
