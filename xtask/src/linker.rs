// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds bpf-linker, the linker of the BPF target, in the one version that fits, or
//! builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::cargo;
use crate::process::{self, probe, say};
use crate::workspace::Workspace;

/// The version that reads the LLVM of [`crate::toolchain`]'s compilers. Later ones need
/// another LLVM.
pub(crate) const VERSION: &str = "0.10.3";

/// Returns the directory to put in front of `PATH`, or `None` if the linker is found
/// there already.
pub(crate) fn find_or_install(workspace: &Workspace) -> anyhow::Result<Option<PathBuf>> {
    let directory = workspace.tools().join("bin");
    if is_wanted(&directory.join("bpf-linker")) {
        return Ok(Some(directory));
    }
    if is_wanted(Path::new("bpf-linker")) {
        return Ok(None);
    }
    say(format!(
        "building bpf-linker {VERSION} (once, about two minutes)"
    ));
    process::run(
        cargo::command()
            .args([
                "install",
                "bpf-linker",
                "--version",
                VERSION,
                "--locked",
                "--quiet",
                "--root",
            ])
            .arg(workspace.tools())
            .arg("--target-dir")
            .arg(workspace.tools().join("build"))
            // Flags meant for this project must not change how the tool is built.
            .env_remove("RUSTFLAGS"),
    )
    .context("bpf-linker could not be built; it needs a C compiler and the package registry")?;
    Ok(Some(directory))
}

fn is_wanted(program: &Path) -> bool {
    probe(Command::new(program).arg("--version"))
        .is_some_and(|text| text.split_whitespace().any(|word| word == VERSION))
}
