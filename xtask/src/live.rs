//! The tests that sample real processes: built as the user, run as root. It
//! refuses to know what they check.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{cargo, interpreters, live_packages, process, source_builds, sudo};

/// Set to 1 where a live test that cannot run has failed.
const REQUIRE: &str = "PYEBPF_REQUIRE_BPF";

/// Whether this run has to be complete.
pub(crate) fn is_required() -> bool {
    env::var_os(REQUIRE).is_some_and(|value| value == "1")
}

/// What the tests are given.
pub(crate) struct Given<'a> {
    /// The program under test.
    pub(crate) binary: &'a Path,
    /// See [`interpreters::VARIABLE`].
    pub(crate) pythons: &'a OsStr,
    /// See [`source_builds::VARIABLE`].
    pub(crate) source_builds: &'a OsStr,
    /// See [`live_packages::VARIABLE`].
    pub(crate) packages: &'a Path,
}

/// Builds the test program `target` of `package` and gives the command that
/// runs it, one test at a time: each would see the load of the others.
pub(crate) fn command(
    workspace: &Workspace,
    package: &str,
    target: &str,
    given: &Given<'_>,
) -> anyhow::Result<Command> {
    let program = build(workspace, package, target)?;
    let required = env::var_os(REQUIRE).unwrap_or_default();
    let inherited = |name: &str| env::var_os(name).unwrap_or_default();
    let variables: [(&str, OsString); 8] = [
        (REQUIRE, required),
        (interpreters::VARIABLE, given.pythons.to_owned()),
        (source_builds::VARIABLE, given.source_builds.to_owned()),
        ("PYEBPF_BIN", given.binary.into()),
        (live_packages::VARIABLE, given.packages.into()),
        ("PATH", process::search_path()),
        ("HOME", inherited("HOME")),
        ("RUST_BACKTRACE", inherited("RUST_BACKTRACE")),
    ];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_os_str()));
    let mut command = sudo::command(program, &variables)?;
    command
        .arg("--test-threads=1")
        .current_dir(workspace.root.join(package));
    Ok(command)
}

/// Builds the test program `target` of `package`; gives its path.
pub(crate) fn build(workspace: &Workspace, package: &str, target: &str) -> anyhow::Result<PathBuf> {
    let messages = process::read(
        cargo::command()
            .args([
                "test",
                "--locked",
                "--release",
                "--package",
                package,
                "--test",
                target,
            ])
            .args(["--no-run", "--message-format=json-render-diagnostics"])
            .current_dir(&workspace.root),
    )?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == target)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no test program `{target}`"))
}
