// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks the licences and the sources of everything that the programs are built from
//! (`deny.toml`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::process;
use crate::tools::Tool;
use crate::workspace::Workspace;

/// Without its own TLS, which only the database of advisories needs, and without
/// optimisation: it runs for three seconds.
const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    takes: "three minutes",
    options: &["--debug", "--no-default-features"],
};

/// Returns the program that checks. Builds it if it is nowhere.
pub(crate) fn find_or_build() -> anyhow::Result<PathBuf> {
    let directory = DENY.find_or_build()?;
    Ok(directory.unwrap_or_default().join(DENY.name))
}

/// Checks the dependencies of the programs, and of the fuzz targets.
pub(crate) fn check(workspace: &Workspace, program: &Path) -> anyhow::Result<()> {
    let config = workspace.root.join("deny.toml");
    let mut wrong = Vec::new();
    for directory in ["", "fuzz"] {
        let manifest = workspace.root.join(directory).join("Cargo.toml");
        let arguments: [OsString; 5] = [
            "--locked".into(),
            "--config".into(),
            config.clone().into(),
            "--manifest-path".into(),
            manifest.clone().into(),
        ];
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(["check", "bans", "licenses", "sources"]);
        if process::run(&mut command).is_err() {
            wrong.push(manifest.display().to_string());
        }
    }
    ensure!(
        wrong.is_empty(),
        "dependencies of {} have a licence or come from a place that deny.toml does not allow: \
         see above",
        wrong.join(" and ")
    );
    Ok(())
}
