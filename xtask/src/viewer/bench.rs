// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask bench viewer`: measures how fast the page is with nine million rows, in
//! a headless browser. `viewer/bench/run.mjs` takes the measurements.

use std::fs;
use std::process::Command;

use anyhow::Context as _;

use super::node::{Node, chromium};
use super::traces;
use crate::process::{self, say};
use crate::workspace::Workspace;

/// The size of the recording: what the page is meant to handle.
const MADE_UP: [&str; 6] = ["--rows", "9000000", "--threads", "64", "--stacks", "50000"];

/// Makes the trace, converts it to a page as a user would, opens it and prints
/// the figures.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let node = Node::find_or_install(workspace)?;
    let chromium = chromium()?;
    let binary = crate::build::everything(workspace)?;
    let directory = workspace.target.join("bench/viewer");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let recording = directory.join("large.pyebpf");
    let page = directory.join("large.html");
    say("making up a recording of nine million rows in 64 threads");
    process::run(
        Command::new(traces::maker(workspace)?)
            .args(MADE_UP)
            .arg(&recording),
    )?;
    process::run(
        Command::new(binary)
            .arg("convert")
            .arg(&recording)
            .arg("-o")
            .arg(&page),
    )?;
    let mut command = node.command(&["bench/run.mjs"]);
    command
        .arg(&page)
        .arg(&recording)
        .env("PYEBPF_CHROMIUM", chromium);
    process::run(&mut command)
}
