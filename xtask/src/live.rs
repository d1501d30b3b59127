// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds the tests that sample real processes as the user, and runs them as root.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{
    build as builds, cargo, interpreters, live_packages, process, real_clients, slowest,
    source_builds, sudo, systemd,
};

/// The variable that makes a live test that cannot run a failure, if it is 1.
const REQUIRE: &str = "PYEBPF_REQUIRE_BPF";

/// How many tests run at once. Most of a test is waiting: for interpreters to start, for
/// the kernel to verify programs, for a recording to end.
const AT_ONCE: &str = "--test-threads=3";

/// What the names of the tests begin with that are given the machine for themselves: they
/// measure time, use up all of it, or switch off parts of it.
const ALONE: [&str; 11] = [
    "account::overload::",
    "field::cpus::",
    "field::early_forks::",
    "field::held_up::",
    "field::large_pools::",
    "field::own_time::",
    "field::time::",
    "interpreters::servers::shows_the_workers_of_uwsgi_under_load",
    "lifecycle::many_processes::",
    "time::max_cpu::",
    "wall::targets::two_thousand_threads_are_two_thousand_rows",
];

/// Which tests a command runs.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// Those that may run at once.
    AtOnce,
    /// Those of [`ALONE`], one after the other.
    Alone,
    /// Those whose names contain this, one after the other.
    Named(&'static str),
    /// Those with just these names, one after the other.
    Exactly(Vec<String>),
}

impl Which {
    fn arguments(&self) -> Vec<&str> {
        match self {
            Self::AtOnce => {
                let skipped = ALONE.into_iter().flat_map(|name| ["--skip", name]);
                std::iter::once(AT_ONCE).chain(skipped).collect()
            }
            Self::Alone => std::iter::once("--test-threads=1").chain(ALONE).collect(),
            Self::Named(name) => vec!["--test-threads=1", name],
            Self::Exactly(names) => ["--test-threads=1", "--exact"]
                .into_iter()
                .chain(names.iter().map(String::as_str))
                .collect(),
        }
    }
}

/// The exit status of pyebpf for a process without Python, which it finds out only once
/// its eBPF program runs.
const NO_PYTHON: i32 = 4;

/// Whether this run has to be complete.
pub(crate) fn is_required() -> bool {
    env::var_os(REQUIRE).is_some_and(|value| value == "1")
}

/// What the tests get through their environment.
pub(crate) struct Given<'a> {
    /// The program under test.
    pub(crate) binary: &'a Path,
    /// See [`interpreters::VARIABLE`].
    pub(crate) pythons: &'a OsStr,
    /// See [`source_builds::VARIABLE`].
    pub(crate) source_builds: &'a OsStr,
    /// See [`live_packages::VARIABLE`].
    pub(crate) packages: &'a Path,
    /// See [`systemd::VARIABLE`].
    pub(crate) systemd: &'a Path,
    /// See [`real_clients::GO`].
    pub(crate) go: &'a Path,
    /// How often the field tests record each case of time.
    pub(crate) field_runs: u32,
}

/// Whether processes can be sampled here; an error says why not.
pub(crate) fn check(binary: &Path) -> anyhow::Result<()> {
    let mut command = sudo::command(binary, &[])?;
    command.args(["--pid", &std::process::id().to_string()]);
    let output = command
        .output()
        .with_context(|| format!("cannot start `{}`", process::describe(&command)))?;
    if output.status.code() != Some(NO_PYTHON) {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("pyebpf cannot sample here: {}", said.trim());
    }
    Ok(())
}

/// Builds the test program `target` of `package`, and returns its path.
pub(crate) fn program(
    workspace: &Workspace,
    package: &str,
    target: &str,
) -> anyhow::Result<PathBuf> {
    build(
        workspace,
        package,
        &[
            "--package",
            package,
            "--profile",
            builds::TESTED,
            "--test",
            target,
        ],
    )
}

/// Returns the command that runs `which` of the tests of `program`, which belongs to
/// `package`.
pub(crate) fn command(
    workspace: &Workspace,
    package: &str,
    program: &Path,
    which: &Which,
    given: &Given<'_>,
) -> anyhow::Result<Command> {
    let required = env::var_os(REQUIRE).unwrap_or_default();
    let inherited = |name: &str| env::var_os(name).unwrap_or_default();
    let variables: [(&str, OsString); 12] = [
        (REQUIRE, required),
        (interpreters::VARIABLE, given.pythons.to_owned()),
        (source_builds::VARIABLE, given.source_builds.to_owned()),
        ("PYEBPF_BIN", given.binary.into()),
        (live_packages::VARIABLE, given.packages.into()),
        (systemd::VARIABLE, given.systemd.into()),
        (real_clients::GO, given.go.into()),
        ("PYEBPF_FIELD_RUNS", given.field_runs.to_string().into()),
        ("PATH", process::search_path()),
        (slowest::VARIABLE, "1".into()),
        ("HOME", inherited("HOME")),
        ("RUST_BACKTRACE", inherited("RUST_BACKTRACE")),
    ];
    let variables = variables
        .each_ref()
        .map(|(name, value)| (*name, value.as_os_str()));
    // Targets keep whole CPUs busy at this priority, so that other processes of the machine
    // do not use up the time that is measured. Whatever the tests start beside them, such
    // as `pyebpf ps`, would wait for minutes at a lower one.
    let mut command = sudo::command("nice", &variables)?;
    command
        .args(["-n", "-19"])
        .arg(program)
        .arg("--include-ignored")
        .args(slowest::OPTIONS)
        .args(which.arguments())
        .current_dir(workspace.root.join(package));
    Ok(command)
}

/// Builds test programs that `options` choose, and returns the path of that of `package`.
pub(crate) fn build(
    workspace: &Workspace,
    package: &str,
    options: &[&str],
) -> anyhow::Result<PathBuf> {
    let messages = process::read(
        cargo::command()
            .args(["test", "--locked"])
            .args(options)
            .args(["--no-run", "--message-format=json-render-diagnostics"])
            .current_dir(&workspace.root),
    )?;
    let is_of_package = |message: &Value| {
        let manifest = message["manifest_path"].as_str();
        manifest.is_some_and(|it| workspace.is_manifest_of(Path::new(it), package))
    };
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["profile"]["test"] == true && is_of_package(message))
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no test program {options:?} of {package}"))
}
