//! `cargo xtask bench`: what sampling costs, measured and written down. It
//! refuses to judge the figures, and to measure anything as the user: a second
//! process, run as root, does that.

mod contest;
mod figures;
mod idle_tick;
mod interrupt;
mod machine;
mod measure;
mod memory;
mod peers;
mod plan;
mod procfs;
mod profiler;
mod profiling_sampling;
mod py_spy;
mod pyebpf;
mod recorder;
mod run_time;
mod sample_cost;
mod session;
mod slowdown;
mod spread;
mod table;
mod target;
mod turn;
mod wall;
mod wall_table;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

pub(crate) use self::measure::{MeasureArguments, measure};
use crate::process::{self, probe, say};
use crate::workspace::Workspace;
use crate::{build, interpreters, roots, sudo};

/// Builds, measures, prints the tables and writes them below the target
/// directory, and with `into_readme` into the README as well.
pub(crate) fn run(workspace: &Workspace, quick: bool, into_readme: bool) -> anyhow::Result<()> {
    let binary = build::everything(workspace)?;
    let directory = workspace.target.join("bench");
    let scratch = directory.join("scratch");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let mut command = sudo::command(std::env::current_exe()?, &[])?;
    command.arg("measure");
    if quick {
        command.arg("--quick");
    }
    command
        .arg("--binary")
        .arg(binary)
        .arg("--scripts")
        .arg(workspace.root.join("tests/scripts"))
        .arg("--scratch")
        .arg(&scratch);
    for python in pythons()? {
        command.arg("--python").arg(python);
    }
    match peers::py_spy(&directory.join("peers")) {
        Ok(py_spy) => command.arg("--py-spy").arg(py_spy),
        Err(error) => {
            say(format!("going on without py-spy: {error:#}"));
            command.arg("--without-py-spy").arg(format!("{error:#}"))
        }
    };
    let printed = process::read(&mut command)?;
    let mut document: Value =
        serde_json::from_str(&printed).context("the measuring process printed no JSON")?;
    document["commit"] = commit(workspace).into();

    let tables = table::of(&document)?;
    let json = directory.join("bench.json");
    let markdown = directory.join("bench.md");
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    fs::write(&json, text).with_context(|| format!("cannot write {}", json.display()))?;
    fs::write(&markdown, &tables)
        .with_context(|| format!("cannot write {}", markdown.display()))?;
    println!("{tables}");
    if into_readme {
        crate::readme::replace(&workspace.root.join("README.md"), "bench", &tables)?;
    }
    say(format!(
        "the tables are {}, all values {}",
        markdown.display(),
        json.display()
    ));
    Ok(())
}

/// The interpreters to measure with: those that were named, or all there are.
fn pythons() -> anyhow::Result<Vec<PathBuf>> {
    let named = std::env::var_os(interpreters::VARIABLE).filter(|value| !value.is_empty());
    let list = match named {
        Some(list) => list,
        None => {
            let roots = roots::find_or_make(false).unwrap_or_else(|error| {
                say(format!(
                    "going on without Pythons of other Debian suites: {error:#}"
                ));
                Vec::new()
            });
            interpreters::for_live_tests(&roots)?
        }
    };
    Ok(std::env::split_paths(&list).collect())
}

fn commit(workspace: &Workspace) -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"])
        .current_dir(&workspace.root);
    probe(&mut git).unwrap_or_else(|| "unknown".to_owned())
}
