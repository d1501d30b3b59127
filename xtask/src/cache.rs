// SPDX-License-Identifier: MIT OR Apache-2.0

//! The user's cache, outside the clone, for what is fetched or built only once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Returns the directory for `what` in the user's cache, created if it is missing, and
/// a lock on it that lasts as long as the file is open.
pub(crate) fn locked(what: &str) -> anyhow::Result<(PathBuf, fs::File)> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = from("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| from("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let base = base.with_context(|| {
        format!("neither XDG_CACHE_HOME nor HOME is set: where to keep the {what}?")
    })?;
    let cache = base.join("pyebpf").join(what);
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = fs::File::create(cache.join("lock"))?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", cache.display()))?;
    Ok((cache, lock))
}

/// Removes a directory. A missing one is not an error.
pub(crate) fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}
