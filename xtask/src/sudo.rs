//! Becoming root for the few commands that need it. It refuses to know why a
//! command needs it.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::process::Command;

use anyhow::bail;

use crate::process;

/// Whether we are root already.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// `program` as root with these variables set: directly where we are root, by
/// sudo otherwise. sudo drops the environment, so whatever must arrive is named.
/// Without a terminal, a sudo that wants a password fails at once.
pub(crate) fn command(
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
