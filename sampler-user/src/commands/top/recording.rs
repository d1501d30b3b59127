// SPDX-License-Identifier: MIT OR Apache-2.0

//! Shows a recording of its own. The recorder is another process, with the privileges and
//! the sandbox of every recorder; this one has the terminal, and needs none.

use std::env;
use std::io::{self, Cursor, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use sampler_top::run::{Input, run};

use crate::cli::config::exit::ExitStatus;
use crate::commands::top::error::ShowError;

/// This program, even if its file has been replaced since.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Records, and shows the recording until the user quits.
///
/// # Errors
/// [`ShowError`]. The recorder has ended, and the terminal is as it was before.
pub(super) fn show(length: Duration) -> Result<ExitStatus, ShowError> {
    let (mut recorder, mut trace, mut messages) = start().map_err(ShowError::Start)?;
    // No screen before there is something on it: the recorder may not be allowed to record.
    let mut first = vec![0; 4096];
    let length_of_first = trace.read(&mut first).map_err(ShowError::Start)?;
    if length_of_first == 0 {
        let mut said = Vec::new();
        messages.read_to_end(&mut said).map_err(ShowError::Start)?;
        print(&said);
        return end(recorder);
    }
    first.truncate(length_of_first);
    let shown = run(Input {
        trace: Cursor::new(first).chain(trace),
        messages: Some(messages),
        length,
    });
    // The end of its standard input ends the recorder.
    drop(recorder.stdin.take());
    let status = end(recorder)?;
    let messages = shown.map_err(|source| ShowError::Top {
        input: "the recording".to_owned(),
        source,
    })?;
    for message in messages {
        print(format!("{message}\n").as_bytes());
    }
    Ok(status)
}

/// Starts the recorder, with the arguments that this process was given.
fn start() -> io::Result<(Child, ChildStdout, ChildStderr)> {
    // The name of the command is the first one.
    let words = env::args_os().skip(2);
    let mut recorder = Command::new(THIS_PROGRAM)
        .arg("top-recorder")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let trace = recorder.stdout.take().ok_or_else(missing)?;
    let messages = recorder.stderr.take().ok_or_else(missing)?;
    Ok((recorder, trace, messages))
}

fn end(mut recorder: Child) -> Result<ExitStatus, ShowError> {
    let status = recorder.wait().map_err(ShowError::Start)?;
    Ok(ExitStatus::of_ended(Some(status)))
}

/// Passes on what the recorder has printed, which is in its form and safe for a terminal.
fn print(said: &[u8]) {
    // There is nowhere to report that standard error is closed.
    let _ = io::stderr().write_all(said);
}
