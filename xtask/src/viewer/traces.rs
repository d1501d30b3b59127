// SPDX-License-Identifier: MIT OR Apache-2.0

//! Makes the traces that the viewer's tests open: of a real service, recorded now, and
//! synthetic ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::demo::Service;
use crate::process::{self, say};
use crate::workspace::Workspace;
use crate::{build, cargo, sudo};

/// How long the real service is sampled, each time.
const DURATION: &str = "4s";
/// The rate of sampling, in Hz.
const HZ: &str = "100";

/// Synthetic traces: the name of each, and the arguments of the program that makes it.
const MADE_UP: [(&str, &[&str]); 4] = [
    (
        "states",
        &[
            "--rows",
            "6000",
            "--threads",
            "10",
            "--stacks",
            "300",
            "--states",
            "--hz",
            "20",
        ],
    ),
    (
        "second",
        &[
            "--rows",
            "9000",
            "--threads",
            "6",
            "--stacks",
            "300",
            "--states",
            "--hz",
            "20",
            "--seed",
            "2",
        ],
    ),
    (
        "small",
        &[
            "--rows",
            "400",
            "--threads",
            "3",
            "--stacks",
            "40",
            "--states",
        ],
    ),
    (
        "large",
        &["--rows", "300000", "--threads", "4", "--stacks", "3000"],
    ),
];

/// Makes all traces below the target directory, and returns their directory.
pub(super) fn make(workspace: &Workspace, binary: &Path) -> anyhow::Result<PathBuf> {
    let directory = workspace.target.join("viewer-traces");
    fs::remove_dir_all(&directory).ok();
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let maker = maker(workspace)?;
    for (name, arguments) in MADE_UP {
        process::run(
            Command::new(&maker)
                .args(arguments)
                .arg(directory.join(name).with_extension("pyebpf")),
        )?;
    }
    let convert = |from: &str, to: &[&str], more: &[&str]| {
        let mut command = Command::new(binary);
        command.arg("convert").arg(directory.join(from)).args(more);
        for output in to {
            command.arg("-o").arg(directory.join(output));
        }
        process::run(&mut command)
    };
    convert(
        "states.pyebpf",
        &["states.json", "states.html", "states.folded"],
        &[],
    )?;
    convert(
        "states.pyebpf",
        &["states-by-time.json"],
        &["--order", "time"],
    )?;
    convert(
        "states.pyebpf",
        &["part.folded"],
        &["--from", "10.31s", "--to", "41.7s", "--mode", "cpu"],
    )?;
    convert("small.pyebpf", &["small.json"], &[])?;
    record(workspace, binary, &directory)?;
    convert("live.pyebpf", &["live.folded"], &[])?;
    Ok(directory)
}

/// Builds the program that makes synthetic traces, and returns its path.
pub(super) fn maker(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    process::run(
        cargo::command()
            .args([
                "build",
                "--quiet",
                "--locked",
                "--profile",
                build::TESTED,
                "--package",
                "tests",
                "--bin",
                "synthetic",
            ])
            .current_dir(&workspace.root),
    )?;
    Ok(workspace.target.join(build::TESTED).join("synthetic"))
}

/// Records a service under load: running threads into a page, a container and a
/// timeline, then waiting threads as well into another page.
fn record(workspace: &Workspace, binary: &Path, directory: &Path) -> anyhow::Result<()> {
    let service = Service::start(workspace)?;
    say(format!(
        "sampling the service (process {}) twice for {DURATION}",
        service.pid()
    ));
    let sample = |mode: &str, names: &[&str]| {
        let mut command = sudo::command(binary, &[])?;
        command
            .args(["--mode", mode, "--hz", HZ, "--duration", DURATION, "--pid"])
            .arg(service.pid().to_string());
        for name in names {
            command.arg("-o").arg(directory.join(name));
        }
        process::run(&mut command)
    };
    let recorded = sample("cpu", &["live.html", "live.pyebpf", "live.json"])
        .and_then(|()| sample("wall", &["wall.html"]));
    service.stop()?;
    recorded
}
