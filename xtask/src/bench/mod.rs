//! `cargo xtask bench`: what sampling costs, measured and written down. It
//! refuses to judge the figures, and to measure anything as the user: a second
//! process, run as root, does that.

mod austin;
mod cells;
mod chance;
mod contest;
mod crowd;
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
mod run_time;
mod sample_cost;
mod session;
mod slowdown;
mod spread;
mod stage;
mod start;
mod subject;
mod tables;
mod target;
mod turn;
mod versus;
mod versus_table;
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use self::fetched::Fetched;
pub(crate) use self::measure::{MeasureArguments, measure};
use crate::process::{self, probe, say};
use crate::workspace::Workspace;
use crate::{build, interpreters, roots, sudo};

/// Every value of a run.
const VALUES: &str = "bench.json";

/// Builds, measures, prints the tables and writes them below the target
/// directory, and with `into_readme` into README and `docs` as well.
pub(crate) fn run(workspace: &Workspace, quick: bool, into_readme: bool) -> anyhow::Result<()> {
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
    // First of all: no table that cannot be made may cost what was measured.
    let values = directory.join(VALUES);
    fs::write(&values, format!("{document}\n"))
        .with_context(|| format!("cannot write {}", values.display()))?;
    let text = publish(&document, &directory)?;
    println!("{text}");
    if into_readme {
        publish(&document, &workspace.root.join("docs"))?;
        let compact = tables::compact(&document)?;
        crate::readme::replace(&workspace.root.join("README.md"), "bench", &compact)?;
    }
    say(format!(
        "the tables are bench.md, all values bench.json, the curves {} in {}",
        tables::PICTURE,
        directory.display()
    ));
    Ok(())
}

/// Writes all that comes of a run into a directory, and gives the tables.
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
