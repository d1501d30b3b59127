// SPDX-License-Identifier: MIT OR Apache-2.0

//! Fills the directory that targets and profilers see under one path, even from inside
//! the roots of other suites' Pythons: the scripts, gunicorn, and a place for files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::peers;

/// Empties `place`, copies the scripts and gunicorn there, and returns the directory
/// for files.
pub(super) fn lay(
    place: &Path,
    scripts: &Path,
    gunicorn: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    let scratch = place.join("scratch");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    copy(scripts, place)?;
    if let Some(gunicorn) = gunicorn {
        copy(gunicorn, &place.join(peers::SITE))?;
    }
    Ok(scratch)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (source, destination) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &destination)?;
        } else {
            fs::copy(&source, &destination)
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}
