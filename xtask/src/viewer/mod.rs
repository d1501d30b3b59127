// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds the page that shows a trace with Node, compares it with what is committed,
//! and tests it in a browser.

mod bench;
mod node;
mod served;
mod traces;

use std::path::Path;
use std::process::Command;

pub(crate) use self::bench::run as bench;
use self::node::{Node, chromium};
use self::served::Served;
use crate::live;
use crate::process::{self, probe, say};
use crate::tally::{Tally, TestCounts};
use crate::workspace::Workspace;

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
            command.env("PYEBPF_CHROMIUM", chromium()?);
            let served = Served::start(workspace, &binary)?;
            served.name_to(&mut command);
            let taken = process::run(&mut command);
            served.finish()?;
            taken
        }
    }
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
        Ok(TestCounts::check(true))
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
    tally.step("viewer page", || {
        node.check().map(|()| TestCounts::check(true))
    });
    test_pages(workspace, &node, binary, tally);
}

fn test_pages(workspace: &Workspace, node: &Node, binary: &Path, tally: &mut Tally) {
    let mut made = None;
    tally.step("viewer traces", || {
        made = Some(traces::make(workspace, binary)?);
        Ok(TestCounts::check(true))
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
