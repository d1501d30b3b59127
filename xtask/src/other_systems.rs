// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks that what only reads traces compiles for macOS and Windows. A check needs no
//! linker, only the standard library of the target, which rustup has.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::process::{self, probe, say};
use crate::tally::{Tally, TestCounts};
use crate::workspace::Workspace;
use crate::{cargo, live};

/// One target for each system.
const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-gnu"];

/// Checks all targets at once. If one cannot be installed, that is a failure only if the
/// run has to be complete or is in CI.
pub(crate) fn check(workspace: &Workspace, in_ci: bool, tally: &mut Tally) {
    let mut command = cargo::command();
    let mut found = Vec::new();
    for target in TARGETS {
        match find_or_add(workspace, target) {
            Ok(()) => found.push(target),
            Err(error) => {
                let required = in_ci || live::is_required();
                tally.left_out(target, &format!("{error:#}"), required);
            }
        }
    }
    if found.is_empty() {
        return;
    }
    command.args(["check", "--locked"]);
    for target in &found {
        command.args(["--target", target]);
    }
    tally.step(&found.join(", "), || {
        command
            .args(["--package", "pyebpf", "--package", "sampler-trace"])
            .args(["--lib", "--bins", "--tests"])
            // Cargo allows warnings of dependencies all the same.
            .env("RUSTFLAGS", "-D warnings")
            .current_dir(&workspace.root);
        process::run(&mut command).map(|()| TestCounts::check(true))
    });
}

fn find_or_add(workspace: &Workspace, target: &str) -> anyhow::Result<()> {
    if has_library(workspace, target) {
        return Ok(());
    }
    if !process::on_path("rustup") {
        bail!("the compiler has no library for it, and rustup, which could add it, is not on PATH");
    }
    say(format!("installing the library for {target} by rustup"));
    let mut add = Command::new("rustup");
    add.args(["target", "add", target]);
    process::run(add.current_dir(&workspace.root))?;
    if !has_library(workspace, target) {
        bail!("`rustup target add {target}` did not add it to the compiler that cargo uses");
    }
    Ok(())
}

/// Whether the compiler that cargo uses has the standard library for `target`.
fn has_library(workspace: &Workspace, target: &str) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--print", "target-libdir", "--target", target]);
    let directory = probe(command.current_dir(&workspace.root));
    directory.is_some_and(|directory| PathBuf::from(directory).is_dir())
}
