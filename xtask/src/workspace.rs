// SPDX-License-Identifier: MIT OR Apache-2.0

//! Paths in this clone: the sources and what is built from them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::{cargo, process};

/// The clone that this xtask belongs to.
pub struct Workspace {
    /// The directory that holds the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo puts binaries: `target` unless the user chose another directory.
    pub target: PathBuf,
    /// Where cargo runs build scripts; in most set-ups the same directory.
    build: PathBuf,
    packages: Vec<Value>,
}

impl Workspace {
    /// Asks cargo for its directories, so that a `CARGO_TARGET_DIR` or a configured
    /// target directory is respected.
    pub fn locate() -> anyhow::Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent")?;
        let text = process::read(
            cargo::command()
                .args([
                    "metadata",
                    "--no-deps",
                    "--format-version",
                    "1",
                    "--manifest-path",
                ])
                .arg(manifest.join("Cargo.toml")),
        )?;
        let mut metadata: Value =
            serde_json::from_str(&text).context("`cargo metadata` printed no JSON")?;
        let directory = |name: &str| metadata[name].as_str().map(PathBuf::from);
        let target = directory("target_directory").context("cargo names no target directory")?;
        Ok(Self {
            root: directory("workspace_root").context("cargo names no workspace root")?,
            build: directory("build_directory").unwrap_or_else(|| target.clone()),
            target,
            packages: metadata["packages"]
                .as_array_mut()
                .map(std::mem::take)
                .unwrap_or_default(),
        })
    }

    /// Returns the path of the eBPF object, where `sampler-user/build.rs` looks for it.
    pub fn kernel_object(&self) -> PathBuf {
        self.build.join("bpf/sampler.bpf.o")
    }

    /// Whether this is the manifest of `package`.
    pub fn is_manifest_of(&self, manifest: &Path, package: &str) -> bool {
        self.packages.iter().any(|entry| {
            let path = entry["manifest_path"].as_str();
            entry["name"] == package && path.is_some_and(|path| Path::new(path) == manifest)
        })
    }

    /// Returns the names of the integration test targets of `package`, as cargo sees
    /// them.
    pub fn test_targets(&self, package: &str) -> Vec<String> {
        let named = self
            .packages
            .iter()
            .filter(|entry| entry["name"] == package);
        named
            .flat_map(|entry| entry["targets"].as_array().into_iter().flatten())
            .filter(|target| target["kind"][0] == "test")
            .filter_map(|target| target["name"].as_str().map(str::to_owned))
            .collect()
    }
}
