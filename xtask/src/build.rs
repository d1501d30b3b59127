// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds pyebpf as it is meant to be used.

use std::path::PathBuf;

use crate::process::{self, say};
use crate::workspace::Workspace;
use crate::{cargo, ebpf};

/// The profile of binaries that are built only to be tested.
pub(crate) const TESTED: &str = "ci";

/// Installs what is missing, builds the eBPF object and the release binary, and returns
/// the path of the binary.
pub fn everything(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    with_profile(workspace, "release")
}

/// Does the same with the profile [`TESTED`] for user space.
pub(crate) fn tested(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    with_profile(workspace, TESTED)
}

fn with_profile(workspace: &Workspace, profile: &str) -> anyhow::Result<PathBuf> {
    ebpf::Tools::find_or_install()?.build(workspace)?;
    say("building pyebpf");
    process::run(
        cargo::command()
            .args([
                "build",
                "--profile",
                profile,
                "--locked",
                "--package",
                "pyebpf",
            ])
            .current_dir(&workspace.root),
    )?;
    let binary = workspace.target.join(profile).join("pyebpf");
    say(format!("the program is {}", binary.display()));
    Ok(binary)
}
