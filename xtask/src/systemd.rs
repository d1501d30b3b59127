// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds or fetches the tools of systemd with which the server's units are tested. Nothing is
//! installed on the host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::apt::PrivateApt;
use crate::cache;
use crate::process::{self, probe, say};

/// The variable in which tests find the directory of the tools.
pub(crate) const VARIABLE: &str = "PYEBPF_SYSTEMD";

/// What the names of the tests begin with that need no kernel.
pub(crate) const TESTS: &str = "service::";

/// The tools.
const TOOLS: [&str; 2] = ["systemd-analyze", "systemd-socket-activate"];
/// The suite of Debian from which they come. They run with any newer C library.
const SUITE: &str = "bookworm";
/// What has to be the host's own.
const OF_THE_HOST: [&str; 3] = ["libc6_", "libc-bin_", "libgcc-s1_"];

/// Returns a directory with the tools: one of this host, or one in the user's cache.
pub(crate) fn find_or_fetch() -> anyhow::Result<PathBuf> {
    let found = TOOLS.map(|tool| process::find(tool)?.parent().map(Path::to_owned));
    if let [Some(one), Some(other)] = found
        && one == other
    {
        return Ok(one);
    }
    let (directory, _lock) = cache::locked("systemd")?;
    fetched(&directory)
}

fn fetched(directory: &Path) -> anyhow::Result<PathBuf> {
    let place = directory.join(SUITE);
    let programs = place.join("programs");
    let works = || {
        let version = |tool| probe(Command::new(programs.join(tool)).arg("--version"));
        TOOLS.into_iter().all(|tool| version(tool).is_some())
    };
    if works() {
        return Ok(programs);
    }
    say(format!("fetching the tools of systemd of Debian {SUITE}"));
    cache::remove(&place)?;
    let state = directory.join("apt");
    cache::remove(&state)?;
    for package in PrivateApt::new(&state, SUITE)?.download(&["systemd".into()])? {
        let name = package.file_name().unwrap_or_default().to_string_lossy();
        if !OF_THE_HOST.iter().any(|it| name.starts_with(it)) {
            process::run(Command::new("dpkg").arg("-x").arg(&package).arg(&place))?;
        }
    }
    cache::remove(&state)?;
    fs::create_dir_all(&programs)?;
    for tool in TOOLS {
        write_starter(&place, tool, &programs.join(tool))?;
    }
    anyhow::ensure!(
        works(),
        "the tools of systemd of Debian {SUITE} do not start"
    );
    Ok(programs)
}

/// Writes a script that starts a tool with the libraries and units that were unpacked with it.
fn write_starter(place: &Path, tool: &str, script: &Path) -> anyhow::Result<()> {
    let place = place.to_str().context("the cache's path is no UTF-8")?;
    anyhow::ensure!(
        !place.contains('\''),
        "a quote in the cache's path: {place}"
    );
    let mut libraries = Vec::new();
    for base in ["lib", "usr/lib"] {
        for entry in fs::read_dir(format!("{place}/{base}"))?.flatten() {
            let path = entry.path().display().to_string();
            if path.ends_with("-linux-gnu") {
                libraries.push(format!("{path}/systemd"));
                libraries.push(path);
            }
        }
    }
    let libraries = libraries.join(":");
    let text = format!(
        "#!/bin/sh\n\
         export LD_LIBRARY_PATH='{libraries}'\n\
         export SYSTEMD_UNIT_PATH='{place}/lib/systemd/system:'\n\
         exec '{place}/usr/bin/{tool}' \"$@\"\n"
    );
    fs::write(script, text)?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
