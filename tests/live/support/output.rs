// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a command prints.

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;

/// Returns what a program prints, which must succeed.
pub(crate) fn text_of(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        let program: Vec<&OsStr> = command.get_args().collect();
        return Err(format!(
            "{program:?}: {} {}",
            output.status,
            text(&output.stderr)
        ));
    }
    Ok(text(&output.stdout))
}

/// Returns what a program prints, parsed as JSON.
pub(crate) fn json_of(command: &mut Command) -> Result<Value, String> {
    serde_json::from_str(&text_of(command)?).map_err(|error| error.to_string())
}
