// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes scripts that start an interpreter of another root as if it were the host's
//! own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};

/// Writes both wrappers of `python` (such as `python3.14`) into `directory`. They work
/// once that directory has been renamed to `place`.
pub(crate) fn write(directory: &Path, place: &Path, python: &str) -> anyhow::Result<()> {
    let root = place.join("root");
    let root = root.to_str().context("the cache's path is no UTF-8")?;
    if root.contains('\'') {
        bail!("a shell script cannot name a cache with an apostrophe in its path: {root}");
    }
    let loader = loader(&directory.join("root"))?;
    script(
        &directory.join("inside").join(python),
        &inside(root, python),
    )?;
    script(
        &directory.join("by-loader").join(python),
        &by_loader(root, &loader, python),
    )
}

/// Returns a script that runs the interpreter inside the root, in a mount namespace of
/// its own. Every step is an `exec`, so the process id that the caller sees is the
/// interpreter's.
///
/// The directory named by `PYEBPF_SCRIPTS` appears inside under its own path, so
/// arguments need no translation, and as `/mnt`, where the host does not have it. The
/// working directory becomes `/`. A caller that is not root gets a user namespace,
/// where the host allows it.
fn inside(root: &str, python: &str) -> String {
    format!(
        r#"#!/bin/sh
if [ "$(id -u)" = 0 ]; then user=; else user=--map-root-user; fi
exec unshare --mount $user sh -ec '
root=$1
shift
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ -n "$PYEBPF_SCRIPTS" ]; then
    mount -t tmpfs none "$root/tmp"
    mkdir -p "$root$PYEBPF_SCRIPTS"
    mount --bind "$PYEBPF_SCRIPTS" "$root$PYEBPF_SCRIPTS"
    mount --bind "$PYEBPF_SCRIPTS" "$root/mnt"
fi
PATH=$PATH:/usr/sbin:/sbin
exec chroot "$root" /usr/bin/{python} "$@"
' sh '{root}' "$@"
"#
    )
}

/// Returns a script that runs the interpreter on the host with the root's C library:
/// its files have host paths, and the executable of the process is the dynamic loader.
fn by_loader(root: &str, loader: &str, python: &str) -> String {
    let binary = format!("{root}/usr/bin/{python}");
    format!(
        r#"#!/bin/sh
export PYTHONHOME='{root}/usr'
for directory in '{root}'/usr/lib/*-linux-gnu; do libraries=$directory; done
exec '{root}/{loader}' --library-path "$libraries" --argv0 '{binary}' '{binary}' "$@"
"#
    )
}

/// Returns the path of the root's dynamic loader, relative to the root.
fn loader(root: &Path) -> anyhow::Result<String> {
    for directory in ["lib64", "lib"] {
        let Ok(entries) = fs::read_dir(root.join(directory)) else {
            continue;
        };
        for name in entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
        {
            if name.starts_with("ld-linux") {
                return Ok(format!("{directory}/{name}"));
            }
        }
    }
    bail!("the root {} has no dynamic loader", root.display())
}

fn script(path: &Path, text: &str) -> anyhow::Result<()> {
    let directory = path.parent().context("a script has a directory")?;
    fs::create_dir_all(directory)?;
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
