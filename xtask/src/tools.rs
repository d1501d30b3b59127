// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds programs of the package registry, in one version each. They are kept in the
//! user's cache, so that a new clone need not build them again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::{self, probe, say};
use crate::{cache, cargo};

/// A program that `cargo install` builds.
pub(crate) struct Tool {
    /// The name of the program and of its package.
    pub(crate) name: &'static str,
    /// The version that is wanted, and no other.
    pub(crate) version: &'static str,
    /// How long it takes to build, for people who wait.
    pub(crate) takes: &'static str,
    /// Further arguments of `cargo install`.
    pub(crate) options: &'static [&'static str],
}

impl Tool {
    /// Returns the directory to put in front of `PATH`, or `None` if the program is found
    /// there already. Builds it if it is nowhere.
    pub(crate) fn find_or_build(&self) -> anyhow::Result<Option<PathBuf>> {
        let Self { name, version, .. } = self;
        if self.is(Path::new(name)) {
            return Ok(None);
        }
        let (cache, _lock) = cache::locked("tools")?;
        let root = cache.join(format!("{name}-{version}"));
        let directory = root.join("bin");
        if self.is(&directory.join(name)) {
            return Ok(Some(directory));
        }
        say(format!(
            "building {name} {version} (once, about {})",
            self.takes
        ));
        let build = cache.join(format!("{name}.build"));
        process::run(
            cargo::command()
                .args(["install", name, "--version", version, "--locked", "--quiet"])
                .args(self.options)
                .arg("--root")
                .arg(&root)
                .arg("--target-dir")
                .arg(&build)
                // What is set for this project must not change how the tool is built.
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_TARGET_DIR"),
        )
        .with_context(|| {
            format!("{name} could not be built; it needs a C compiler and the package registry")
        })?;
        cache::remove(&build)?;
        Ok(Some(directory))
    }

    /// Whether `program` is this one in the version that is wanted.
    fn is(&self, program: &Path) -> bool {
        probe(Command::new(program).arg("--version"))
            .is_some_and(|text| text.split_whitespace().any(|word| word == self.version))
    }
}
