// SPDX-License-Identifier: MIT OR Apache-2.0

//! Hands over what was fetched for the bench, and why anything was not, in a file from
//! the user's process to root's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

/// The programs to fetch: a path for each, or the reason why there is none.
pub(super) struct Fetched {
    pub(super) py_spy: Result<PathBuf, String>,
    pub(super) austin: Result<PathBuf, String>,
    pub(super) gunicorn: Result<PathBuf, String>,
}

impl Fetched {
    /// Writes the paths and reasons to a file.
    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let value = |it: &Result<PathBuf, String>| match it {
            Ok(path) => json!({"path": path}),
            Err(reason) => json!({"reason": reason}),
        };
        let document = json!({
            "py_spy": value(&self.py_spy),
            "austin": value(&self.austin),
            "gunicorn": value(&self.gunicorn),
        });
        fs::write(file, document.to_string())
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Reads the file that [`Fetched::write`] wrote.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let document: Value = serde_json::from_str(&text)?;
        let value = |name: &str| match document[name]["path"].as_str() {
            Some(path) => Ok(PathBuf::from(path)),
            None => Err(document[name]["reason"].as_str().unwrap_or("?").to_owned()),
        };
        Ok(Self {
            py_spy: value("py_spy"),
            austin: value("austin"),
            gunicorn: value("gunicorn"),
        })
    }
}
