//! Building the program as it is meant to be used. It refuses to know how the
//! kernel object comes about.

use std::path::PathBuf;

use crate::process::{self, say};
use crate::workspace::Workspace;
use crate::{cargo, ebpf};

/// Sets up, builds the kernel object and the release binary; gives its path.
pub(crate) fn everything(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    ebpf::Tools::find_or_install(workspace)?.build(workspace)?;
    say("building pyebpf");
    process::run(
        cargo::command()
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                "sampler-user",
            ])
            .current_dir(&workspace.root),
    )?;
    say(format!("the program is {}", workspace.binary().display()));
    Ok(workspace.binary())
}
