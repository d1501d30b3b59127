// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask bench`: measures what sampling costs and writes it down. This process
//! runs as the user, and builds, fetches and writes; a second one, run as root,
//! measures.

mod austin;
mod cells;
mod chance;
mod contest;
mod fetched;
mod figures;
mod goals;
mod growth;
mod heading;
mod idle_tick;
mod interrupt;
mod judge;
mod loads;
mod machine;
mod many_processes;
mod measure;
mod memory;
mod mojo;
mod oracle;
mod peers;
mod picture;
mod plan;
mod procfs;
mod profiler;
mod profiling_sampling;
mod py_spy;
mod pyebpf;
mod recorder;
mod round;
mod run_time;
mod sample_cost;
mod serve;
mod session;
mod setting;
mod slowdown;
mod spread;
mod stage;
mod start;
mod subject;
mod tables;
mod target;
mod versus;
mod versus_table;
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Parser;
use serde_json::Value;

use self::fetched::Fetched;
use self::measure::{MeasureArguments, MeasuredSubject, measure};
use xtask::process::{self, probe, say};
use xtask::workspace::Workspace;
use xtask::{build, interpreters, roots, sudo};

/// The file with every value of a run.
const VALUES: &str = "bench.json";

/// Measures what sampling costs, as root, and prints the tables.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Fewer and shorter repetitions: less than three minutes.
    #[arg(long)]
    quick: bool,
    /// Put the tables into docs/bench.md and the main ones into docs/overhead.md.
    #[arg(long)]
    readme: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(clap::Subcommand)]
enum Part {
    /// What `pyebpf serve` costs.
    Serve,
    /// What runs as root.
    #[command(hide = true)]
    Measure(MeasureArguments),
    /// What runs as root for `serve`.
    #[command(hide = true)]
    MeasureServe(MeasuredSubject),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.part {
        // Root may have no cargo to ask where the clone is.
        Some(Part::Measure(arguments)) => measure(arguments),
        Some(Part::MeasureServe(arguments)) => serve::measure(arguments),
        Some(Part::Serve) => Workspace::locate().and_then(|workspace| {
            let pythons = interpreters::of_host();
            serve::run(&workspace, arguments.quick, pythons)
        }),
        None => Workspace::locate()
            .and_then(|workspace| run(&workspace, arguments.quick, arguments.readme)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Builds, measures, prints the tables and writes them below the target directory; with
/// `into_readme`, writes them to `docs` as well.
fn run(workspace: &Workspace, quick: bool, into_readme: bool) -> anyhow::Result<()> {
    let binary = build::everything(workspace)?;
    let directory = workspace.target.join("bench");
    let peers = directory.join("peers");
    let fetched = Fetched {
        py_spy: or_reason("py-spy", peers::py_spy(&peers)),
        austin: or_reason("Austin", peers::austin(&peers)),
        gunicorn: or_reason("gunicorn", peers::gunicorn(&peers)),
    };
    let place = directory.join("stage");
    let gunicorn = fetched.gunicorn.as_deref().ok();
    let scratch = stage::lay(&place, &workspace.root.join("tests/scripts"), gunicorn)?;
    let list = directory.join("fetched.json");
    fetched.write(&list)?;
    let mut command = sudo::command(std::env::current_exe()?, &[])?;
    command.arg("measure");
    if quick {
        command.arg("--quick");
    }
    command
        .arg("--binary")
        .arg(binary)
        .arg("--scripts")
        .arg(&place)
        .arg("--scratch")
        .arg(&scratch)
        .arg("--fetched")
        .arg(&list);
    for python in pythons()? {
        command.arg("--python").arg(python);
    }
    let printed = process::read(&mut command)?;
    let mut document: Value =
        serde_json::from_str(&printed).context("the measuring process printed no JSON")?;
    document["commit"] = commit(workspace).into();
    // Saved first: an error in a table must not lose what was measured.
    let values = directory.join(VALUES);
    fs::write(&values, format!("{document}\n"))
        .with_context(|| format!("cannot write {}", values.display()))?;
    let text = publish(&document, &directory)?;
    println!("{text}");
    if into_readme {
        publish(&document, &workspace.root.join("docs"))?;
        let compact = tables::compact(&document)?;
        xtask::readme::replace(&workspace.root.join("docs/overhead.md"), "bench", &compact)?;
    }
    say(format!(
        "the tables are bench.md, all values bench.json, the curves {} in {}",
        tables::PICTURE,
        directory.display()
    ));
    Ok(())
}

/// Writes all files of a run into a directory, and returns the tables.
fn publish(document: &Value, directory: &Path) -> anyhow::Result<String> {
    let tables = tables::full(document)?;
    let json = format!("{document}\n");
    let files = [
        (VALUES, &json),
        ("bench.md", &tables),
        (tables::PICTURE, &picture::draw(document)),
    ];
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(tables)
}

fn or_reason(name: &str, fetched: anyhow::Result<PathBuf>) -> Result<PathBuf, String> {
    fetched.map_err(|error| {
        say(format!("going on without {name}: {error:#}"));
        format!("{error:#}")
    })
}

/// Returns the interpreters to measure with: those that `PYEBPF_PYTHONS` names, or all
/// that are found.
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
