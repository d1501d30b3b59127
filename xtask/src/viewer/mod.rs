// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds the page that shows a trace with Node, compares it with what is committed,
//! and tests it in a browser.

mod bench;
mod traces;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

pub(crate) use self::bench::run as bench;
use crate::process::{self, probe, say};
use crate::tally::{Counts, Tally};
use crate::workspace::Workspace;
use crate::{live, packages};

/// What is done with the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Task {
    /// Build it from its sources: viewer/dist/viewer.html.
    Build,
    /// Say whether the sources are formatted and pass the linter, and whether the committed
    /// page is what they give.
    Check,
    /// Format the sources, and apply the linter's safe fixes.
    Format,
    /// Run its tests, those in the browser as well.
    Test,
    /// Take the pictures of docs/ again, of a service recorded now.
    Screenshots,
}

/// The oldest Node whose test runner prints what is read here.
const OLDEST_NODE: u32 = 18;

/// Runs one of the tasks.
pub(crate) fn run(workspace: &Workspace, task: Task) -> anyhow::Result<()> {
    let node = Node::find_or_install(workspace)?;
    match task {
        Task::Build => node.run(&["build.mjs"]),
        Task::Check => node.check(),
        Task::Format => node.biome(&["check", "--write"]),
        Task::Test => {
            let binary = crate::build::everything(workspace)?;
            let mut tally = Tally::default();
            test_pages(workspace, &node, &binary, &mut tally);
            tally.finish()
        }
        Task::Screenshots => {
            let binary = crate::build::everything(workspace)?;
            let trace = traces::make(workspace, &binary)?.join("wall.html");
            let mut command = node.command(&["screenshots.mjs"]);
            command.arg(trace).arg(workspace.root.join("docs"));
            process::run(command.env("PYEBPF_CHROMIUM", chromium()?))
        }
    }
}

/// Node, with the page's own tools installed.
pub(crate) struct Node {
    directory: PathBuf,
}

impl Node {
    /// Finds Node on this host, or installs Debian's, then installs the tools that
    /// `package-lock.json` names into `viewer/node_modules`.
    fn find_or_install(workspace: &Workspace) -> anyhow::Result<Self> {
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

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("node");
        command.args(arguments).current_dir(&self.directory);
        command
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        process::run(&mut self.command(arguments))
    }

    /// Runs the formatter and linter, with the configuration `viewer/biome.jsonc`.
    fn biome(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let biome = self.directory.join("node_modules/.bin/biome");
        process::run(
            Command::new(biome)
                .args(arguments)
                .arg("--error-on-warnings")
                .current_dir(&self.directory),
        )
    }

    fn check(&self) -> anyhow::Result<()> {
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

    fn tests(&self, kind: &str, traces: &Path, chromium: &Path) -> anyhow::Result<Counts> {
        let mut command = self.command(&["test/run.mjs", kind]);
        command
            .env("PYEBPF_VIEWER_TRACES", traces)
            .env("PYEBPF_CHROMIUM", chromium)
            .env(
                "PYEBPF_CLONE",
                self.directory.parent().unwrap_or(Path::new("..")),
            );
        let mut counts = Counts::default();
        let succeeded = process::run_reading(&mut command, |line| counts.read_tap(line))?;
        if !succeeded && counts.failed == 0 {
            bail!("the viewer's {kind} tests failed outside of their tests");
        }
        Ok(counts)
    }
}

/// Returns the browser that the tests drive, installing it if it is missing.
fn chromium() -> anyhow::Result<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    if let Some(found) = names.into_iter().find_map(process::find) {
        return Ok(found);
    }
    packages::need_program("chromium", "chromium", "testing the viewer")?;
    process::find("chromium").context("chromium is installed and not on PATH")
}

/// Runs the steps of `cargo xtask test --quick`: what needs no browser and no root.
pub(crate) fn quick_checks(workspace: &Workspace, tally: &mut Tally) {
    if !process::on_path("node") || !process::on_path("npm") {
        let reason = "node or npm is missing: sudo apt-get install nodejs npm";
        tally.left_out("viewer page", reason, live::is_required());
        return;
    }
    tally.step("viewer page", || {
        Node::find_or_install(workspace)?.check()?;
        Ok(Counts::check(true))
    });
}

/// Runs all steps: the page is what its sources give, and does what it should.
pub(crate) fn all_tests(workspace: &Workspace, binary: &Path, tally: &mut Tally) {
    let node = match Node::find_or_install(workspace) {
        Ok(node) => node,
        Err(error) => {
            tally.left_out("viewer", &format!("{error:#}"), live::is_required());
            return;
        }
    };
    tally.step("viewer page", || node.check().map(|()| Counts::check(true)));
    test_pages(workspace, &node, binary, tally);
}

fn test_pages(workspace: &Workspace, node: &Node, binary: &Path, tally: &mut Tally) {
    let mut made = None;
    tally.step("viewer traces", || {
        made = Some(traces::make(workspace, binary)?);
        Ok(Counts::check(true))
    });
    let Some(directory) = made else { return };
    let none = Path::new("");
    tally.step("viewer unit tests", || node.tests("unit", &directory, none));
    match chromium() {
        Ok(chromium) => tally.step("viewer browser tests", || {
            say(probe(Command::new(&chromium).arg("--version")).unwrap_or_default());
            node.tests("browser", &directory, &chromium)
        }),
        Err(error) => tally.left_out(
            "viewer browser tests",
            &format!("{error:#}"),
            live::is_required(),
        ),
    }
}
