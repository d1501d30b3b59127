// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs the page's tools with Node, and finds the browser that its tests drive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use crate::packages;
use crate::process::{self, say};
use crate::tally::TestCounts;
use crate::workspace::Workspace;

/// The oldest Node whose test runner prints what is read here.
const OLDEST_NODE: u32 = 18;

/// Node, with the page's own tools installed.
pub(super) struct Node {
    directory: PathBuf,
}

impl Node {
    /// Finds Node on this host, or installs Debian's, then installs the tools that
    /// `package-lock.json` names into `viewer/node_modules`.
    pub(super) fn find_or_install(workspace: &Workspace) -> anyhow::Result<Self> {
        packages::need_program("node", "nodejs", "building the viewer")?;
        packages::need_program("npm", "npm", "building the viewer")?;
        let version = process::read(Command::new("node").arg("--version"))?;
        let major = version.trim().trim_start_matches('v').split('.').next();
        let major = major.and_then(|number| number.parse::<u32>().ok());
        if major.is_none_or(|major| major < OLDEST_NODE) {
            bail!(
                "node {} is too old for the viewer: {OLDEST_NODE} or newer is needed",
                version.trim()
            );
        }
        let node = Self {
            directory: workspace.root.join("viewer"),
        };
        if node.has_old_tools() {
            say("installing the viewer's tools into viewer/node_modules");
            process::run(
                Command::new("npm")
                    .args(["ci", "--ignore-scripts", "--loglevel=error"])
                    .current_dir(&node.directory),
            )
            .context("npm cannot install what viewer/package-lock.json names")?;
        }
        Ok(node)
    }

    /// Whether the lock file is newer than what was installed from it, or nothing was.
    fn has_old_tools(&self) -> bool {
        let changed = |name: &str| -> Option<SystemTime> {
            fs::metadata(self.directory.join(name))
                .ok()?
                .modified()
                .ok()
        };
        match (
            changed("node_modules/.package-lock.json"),
            changed("package-lock.json"),
        ) {
            (Some(installed), Some(wanted)) => installed < wanted,
            _ => true,
        }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command.args(arguments).current_dir(&self.directory);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        process::run(&mut self.command(arguments))
    }

    /// Runs the formatter and linter, with the configuration `viewer/biome.jsonc`.
    pub(super) fn biome(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let biome = self.directory.join("node_modules/.bin/biome");
        process::run(
            Command::new(biome)
                .args(arguments)
                .arg("--error-on-warnings")
                .current_dir(&self.directory),
        )
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.biome(&["check"])
            .context("the page's sources need `cargo xtask viewer format`, or an edit")?;
        let compiler = self.directory.join("node_modules/.bin/tsc");
        process::run(
            Command::new(compiler)
                .arg("--noEmit")
                .current_dir(&self.directory),
        )?;
        self.run(&["build.mjs", "--check"])
    }

    pub(super) fn tests(
        &self,
        kind: &str,
        traces: &Path,
        chromium: &Path,
    ) -> anyhow::Result<TestCounts> {
        let mut command = self.command(&["test/run.mjs", kind]);
        command
            .env("PYEBPF_VIEWER_TRACES", traces)
            .env("PYEBPF_CHROMIUM", chromium)
            .env(
                "PYEBPF_CLONE",
                self.directory.parent().unwrap_or(Path::new("..")),
            );
        let mut counts = TestCounts::default();
        let succeeded = process::run_reading(&mut command, |line| counts.read_tap(line))?;
        if !succeeded && counts.failed == 0 {
            bail!("the viewer's {kind} tests failed outside of their tests");
        }
        Ok(counts)
    }
}

/// Returns the browser that the tests drive, installing it if it is missing.
pub(super) fn chromium() -> anyhow::Result<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    if let Some(found) = names.into_iter().find_map(process::find) {
        return Ok(found);
    }
    packages::need_program("chromium", "chromium", "testing the viewer")?;
    process::find("chromium").context("chromium is installed and not on PATH")
}
