//! Running other programs and saying so in one plain line each. It refuses to
//! know what any of them is for.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Prints one line that says what is about to be done.
pub(crate) fn say(step: impl AsRef<str>) {
    eprintln!("xtask: {}", step.as_ref());
}

/// Runs `command` with our own input and output, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = describe(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs `command` and gives back what it printed on standard output.
pub(crate) fn read(command: &mut Command) -> anyhow::Result<String> {
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

/// Runs `command`, shows its standard output and hands over each line of it.
/// Says whether the command succeeded.
pub(crate) fn run_reading(
    command: &mut Command,
    mut take: impl FnMut(&str),
) -> anyhow::Result<bool> {
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

/// What `command` printed, or `None` where it is missing or failed: for looking
/// whether something is there.
pub(crate) fn probe(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program of this name is, if it can be started from [`search_path`].
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|directory| directory.join(program))
        .find(|place| place.is_file())
}

/// Whether a program of this name can be started from [`search_path`].
pub(crate) fn on_path(program: &str) -> bool {
    find(program).is_some()
}

/// `PATH` and the directories of programs for root, which an ordinary user's `PATH`
/// does not have on Debian: what runs as root needs some of them.
pub(crate) fn search_path() -> OsString {
    // Of an empty one, the part before a colon would be the working directory.
    let mut path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

/// The command as one would type it, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
