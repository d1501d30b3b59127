// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask freeze`: makes the frozen processes of the tests again, one for each
//! minor version found.

use crate::workspace::Workspace;
use crate::{cargo, interpreters, process, roots};

/// Freezes processes of the host's interpreters and of those in the private roots.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let roots = roots::find_or_make(false).unwrap_or_else(|error| {
        process::say(format!(
            "going on without Pythons of other Debian suites: {error:#}"
        ));
        Vec::new()
    });
    process::run(
        cargo::command()
            .args(["run", "--locked", "--package", "tests", "--bin", "freeze"])
            .env(
                interpreters::VARIABLE,
                interpreters::for_host_tests(&roots)?,
            )
            .current_dir(&workspace.root),
    )
}
