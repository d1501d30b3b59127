// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs other programs, and announces each step in one plain line.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Prints one line that says what is about to be done.
pub fn say(step: impl AsRef<str>) {
    eprintln!("xtask: {}", step.as_ref());
}

/// Runs `command` with this process's input and output; an error unless it succeeds.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = describe(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs `command` and returns what it printed on standard output; an error unless it
/// succeeds.
pub fn read(command: &mut Command) -> anyhow::Result<String> {
    let line = describe(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no text"))
}

/// Runs `command`, prints its standard output, and passes each line to `take`. Returns
/// whether the command succeeded.
pub fn run_reading(command: &mut Command, mut take: impl FnMut(&str)) -> anyhow::Result<bool> {
    let line = describe(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let output = child.stdout.take().context("a piped output can be taken")?;
    for bytes in BufReader::new(output).split(b'\n') {
        let text = bytes.with_context(|| format!("cannot read from `{line}`"))?;
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        take(&text);
    }
    Ok(child.wait()?.success())
}

/// Returns what `command` printed, or `None` if it is missing or failed: for checks
/// whether something is there.
pub fn probe(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns the path of a program, if it can be started from [`search_path`].
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|directory| directory.join(program))
        .find(|place| place.is_file())
}

/// Whether a program of this name can be started from [`search_path`].
pub fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// Returns `PATH` and the directories of programs for root, which an ordinary user's
/// `PATH` lacks on Debian. Some commands that run as root need them.
pub fn search_path() -> OsString {
    // With an empty value, the part before the first colon would be the working
    // directory.
    let mut path = std::env::var_os("PATH")
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| "/usr/bin:/bin".into());
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

/// Formats a command for messages, without quoting.
pub fn describe(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
