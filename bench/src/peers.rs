// SPDX-License-Identifier: MIT OR Apache-2.0

//! Fetches other programs into a directory of the bench: profilers, and a web server to
//! profile. Nothing is installed into the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use xtask::interpreters;
use xtask::process::{probe, say};

/// The release of py-spy.
const PY_SPY: &str = "0.4.3";
/// The release of Austin.
pub(super) const AUSTIN: &str = "4.0.0";
const GUNICORN: [&str; 2] = ["gunicorn==27.0.1", "packaging==26.0"];

/// The name of gunicorn's directory, beside the scripts.
pub(super) const SITE: &str = "site";

/// Returns the path of py-spy, fetching it if it is missing. An error if it does not
/// run here.
pub(super) fn py_spy(directory: &Path) -> anyhow::Result<PathBuf> {
    let name = format!("py-spy-{PY_SPY}");
    let place = fetch(directory, &name, &[&format!("py-spy=={PY_SPY}")])?;
    let binary = place.join("bin/py-spy");
    match py_spy_version(&binary) {
        Some(version) if version == PY_SPY => Ok(binary),
        _ => bail!("{} does not run here", binary.display()),
    }
}

/// Returns the version of the py-spy at `binary`; `None` if it does not run.
pub(super) fn py_spy_version(binary: &Path) -> Option<String> {
    let printed = probe(Command::new(binary).arg("--version"))?;
    Some(printed.strip_prefix("py-spy ")?.to_owned())
}

/// Returns the path of Austin, fetching it if it is missing. Whether it runs depends on
/// the C library of the root directory in which it is started.
pub(super) fn austin(directory: &Path) -> anyhow::Result<PathBuf> {
    let name = format!("austin-{AUSTIN}");
    let place = fetch(directory, &name, &[&format!("austin-dist=={AUSTIN}")])?;
    Ok(place.join("bin/austin"))
}

/// Returns the directory that contains gunicorn, fetching it if it is missing.
pub(super) fn gunicorn(directory: &Path) -> anyhow::Result<PathBuf> {
    fetch(directory, &GUNICORN[0].replace("==", "-"), &GUNICORN)
}

/// Returns the directory `name` with packages, fetched from the Python package index if
/// it is missing. The directory gets its name last, so one that exists is complete.
fn fetch(directory: &Path, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let place = directory.join(name);
    if place.exists() {
        return Ok(place);
    }
    say(format!("fetching {} into {}", packages[0], place.display()));
    let partial = directory.join("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    install(&partial, packages)?;
    fs::rename(&partial, &place)?;
    Ok(place)
}

/// Installs packages without their dependencies, with the newest Python that has pip.
fn install(directory: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let has_pip =
        |python: &PathBuf| probe(Command::new(python).args(["-m", "pip", "--version"])).is_some();
    let pythons = interpreters::of_host();
    let Some(python) = pythons.iter().rev().find(|python| has_pip(python)) else {
        bail!("no Python of this host has pip");
    };
    let output = Command::new(python)
        .args(["-m", "pip", "--disable-pip-version-check", "install"])
        .args(["--quiet", "--no-deps", "--no-compile"])
        .args(["--only-binary", ":all:", "--target"])
        .arg(directory)
        .args(packages)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", python.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("it said nothing");
        bail!("pip did not install {}: {last}", packages.join(", "));
    }
    Ok(())
}
