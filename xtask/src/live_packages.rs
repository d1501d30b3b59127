// SPDX-License-Identifier: MIT OR Apache-2.0

//! Installs what the live tests sample besides interpreters: programs with Python in
//! them, and packages that switch stacks or are compiled.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::{self, probe, say};
use crate::{cache, interpreters, packages};

/// The variable in which tests find the directory of the packages.
pub(crate) const VARIABLE: &str = "PYEBPF_PACKAGES";

/// Files that have to exist, and the Debian packages that contain them.
const PROGRAMS: [(&str, &[&str]); 4] = [
    ("/usr/sbin/bpftool", &["bpftool"]),
    ("/usr/bin/pypy3", &["pypy3"]),
    (
        "/usr/bin/uwsgi-core",
        &["uwsgi-core", "uwsgi-plugin-python3"],
    ),
    (
        "/usr/bin/python3-config",
        &["python3-dev", "libpython3-dev"],
    ),
];

/// The packages that scripts of the tests import.
const PACKAGES: [&str; 3] = ["greenlet", "gevent", "cython"];

/// Platform tags of wheels that run on every machine that runs the tests.
const PLATFORMS: [&str; 3] = [
    "manylinux_2_28_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
];

/// Installs the programs, and the packages for each interpreter of `pythons`, a list as
/// in `PATH`. Returns the directory of the packages.
pub(crate) fn find_or_install(pythons: &std::ffi::OsStr) -> anyhow::Result<PathBuf> {
    for (file, names) in PROGRAMS {
        if !Path::new(file).exists() {
            packages::install(names)?;
        }
    }
    let (directory, _lock) = cache::locked("packages")?;
    let versions: BTreeSet<String> = std::env::split_paths(pythons)
        .filter_map(|python| version(&python))
        .collect();
    for version in versions {
        let place = directory.join(&version);
        let stamp = place.join("installed");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == PACKAGES.join(" ")) {
            continue;
        }
        install(&place, &version)?;
        fs::write(stamp, PACKAGES.join(" "))?;
    }
    Ok(directory)
}

/// Returns an interpreter's version: `3.12`, or `3.13t` for a free-threaded build.
fn version(python: &Path) -> Option<String> {
    const ASK: &str = "import sys, sysconfig; print('%d.%d%s' % (*sys.version_info[:2], \
        't' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''))";
    probe(Command::new(python).args(["-c", ASK]))
}

/// Returns a Python of this host that has pip; installs Debian's if none has.
fn python_with_pip() -> anyhow::Result<PathBuf> {
    let has_pip =
        |python: &PathBuf| probe(Command::new(python).args(["-m", "pip", "--version"])).is_some();
    let find = || interpreters::of_host().into_iter().rev().find(has_pip);
    if let Some(python) = find() {
        return Ok(python);
    }
    packages::install(&["python3-pip"])?;
    find().context("Debian's Python has no pip, although python3-pip is installed")
}

/// Installs wheels for `version` into `place`, with any Python of this host that has
/// pip.
fn install(place: &Path, version: &str) -> anyhow::Result<()> {
    say(format!("fetching packages for Python {version}"));
    let python = python_with_pip()?;
    let partial = place.with_extension("partial");
    for old in [&partial, &place.to_path_buf()] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    let number = version.trim_end_matches('t');
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "install"])
        .args(["--quiet", "--root-user-action=ignore", "--target"])
        .arg(&partial)
        .args(["--implementation", "cp", "--only-binary", ":all:"])
        .args(["--python-version", number])
        .args(["--abi", &format!("cp{}", version.replace('.', ""))])
        .args(["--abi", "abi3", "--abi", "none"]);
    for platform in PLATFORMS {
        pip.args(["--platform", platform]);
    }
    process::run(pip.args(PACKAGES))?;
    fs::rename(partial, place)?;
    Ok(())
}
