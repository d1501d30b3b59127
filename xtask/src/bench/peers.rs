//! Other profilers, fetched into a directory of the bench's own. It refuses to
//! install anything into the system, and to know how they are used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::interpreters;
use crate::process::{probe, say};

/// The release that the figures are of.
const PY_SPY: &str = "0.4.3";

/// Gives py-spy, from `directory` or from the Python package index.
pub(super) fn py_spy(directory: &Path) -> anyhow::Result<PathBuf> {
    let place = directory.join(format!("py-spy-{PY_SPY}"));
    let binary = place.join("bin/py-spy");
    if py_spy_version(&binary).as_deref() == Some(PY_SPY) {
        return Ok(binary);
    }
    say(format!("fetching py-spy {PY_SPY} into {}", place.display()));
    let partial = directory.join("partial");
    for old in [&partial, &place] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    install(&partial, &format!("py-spy=={PY_SPY}"))?;
    fs::rename(&partial, &place)?;
    match py_spy_version(&binary) {
        Some(version) if version == PY_SPY => Ok(binary),
        _ => bail!("{} does not run here", binary.display()),
    }
}

/// The version of the py-spy at `binary`, where it runs.
pub(super) fn py_spy_version(binary: &Path) -> Option<String> {
    let printed = probe(Command::new(binary).arg("--version"))?;
    Some(printed.strip_prefix("py-spy ")?.to_owned())
}

/// Installs one package that needs no other, by the newest Python that has pip.
fn install(directory: &Path, package: &str) -> anyhow::Result<()> {
    let has_pip =
        |python: &PathBuf| probe(Command::new(python).args(["-m", "pip", "--version"])).is_some();
    let pythons = interpreters::of_host();
    let Some(python) = pythons.iter().rev().find(|python| has_pip(python)) else {
        bail!("no Python of this host has pip");
    };
    let output = Command::new(python)
        .args(["-m", "pip", "--disable-pip-version-check", "install"])
        .args(["--quiet", "--no-deps", "--only-binary", ":all:", "--target"])
        .arg(directory)
        .arg(package)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", python.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("it said nothing");
        bail!("pip did not install {package}: {last}");
    }
    Ok(())
}
