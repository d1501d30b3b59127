// SPDX-License-Identifier: MIT OR Apache-2.0

//! Becomes root for the few commands that need it.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::process::Command;

use anyhow::bail;

use crate::process;

/// Whether this process runs as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Returns a command that runs `program` as root with these variables: directly if this
/// process is root, through sudo otherwise. sudo drops the environment, so every
/// variable that must arrive is named. Without a terminal, a sudo that needs a password
/// fails at once.
pub fn command(
    program: impl AsRef<OsStr>,
    variables: &[(&str, &OsStr)],
) -> anyhow::Result<Command> {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        return Ok(command);
    }
    if !process::on_path("sudo") {
        bail!(
            "`{}` must run as root, and there is no sudo: run this command as root, \
             or install sudo (as root: apt-get install sudo)",
            program.as_ref().display()
        );
    }
    let mut command = Command::new("sudo");
    if !std::io::stdin().is_terminal() {
        command.arg("-n");
    }
    command.arg("--").arg("env");
    for (name, value) in variables {
        let mut assignment = std::ffi::OsString::from(name);
        assignment.push("=");
        assignment.push(value);
        command.arg(assignment);
    }
    command.arg(program);
    Ok(command)
}
