// SPDX-License-Identifier: MIT OR Apache-2.0

//! Makes directories that hold the Pythons of other Debian suites. They are made once
//! and kept outside the clone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::apt::PrivateApt;
use crate::cache::{self, remove};
use crate::process::{self, on_path, say};
use crate::wrapper;

/// Suites, and the oldest Python 3 minor version wanted from each. Suites change, so
/// what they hold is looked up.
const SUITES: [(&str, u8); 2] = [("trixie", 13), ("forky", 14)];

/// Written last into a root. Raise the number when what a root must hold changes.
const STAMP: &str = "pyebpf root 1\n";

/// Wrapper scripts of one interpreter in a root.
pub struct RootPython {
    /// Runs it inside the root, as a container would.
    pub inside: PathBuf,
    /// Runs it on the host, with the root's own dynamic loader.
    pub by_loader: PathBuf,
}

/// Returns the interpreters of every root. Makes the roots that are missing, or all of
/// them if `anew`.
pub fn find_or_make(anew: bool) -> anyhow::Result<Vec<RootPython>> {
    for program in ["apt-get", "apt-cache", "apt-config", "dpkg"] {
        if !on_path(program) {
            anyhow::bail!("this host has no {program}, so no other suite's Python can be fetched");
        }
    }
    let (cache, _lock) = cache::locked("roots")?;
    let mut pythons = Vec::new();
    for (suite, oldest) in SUITES {
        let place = cache.join(suite);
        let stamp = fs::read_to_string(place.join("stamp"));
        if anew || stamp.ok().as_deref() != Some(STAMP) {
            make(&place, suite, oldest)
                .with_context(|| format!("cannot make the {suite} root {}", place.display()))?;
        }
        pythons.extend(wrappers(&place)?);
    }
    Ok(pythons)
}

/// Makes the roots and prints the wrapper scripts of their interpreters.
pub fn show(anew: bool) -> anyhow::Result<()> {
    for python in find_or_make(anew)? {
        println!("{}", python.inside.display());
        println!("{}", python.by_loader.display());
    }
    Ok(())
}

/// Makes a root beside `place` and renames it to that when it is complete, so that an
/// interrupted run leaves nothing that looks finished.
fn make(place: &Path, suite: &str, oldest: u8) -> anyhow::Result<()> {
    say(format!(
        "making a root with the Pythons of Debian {suite}: {}",
        place.display()
    ));
    let partial = place.with_extension("partial");
    remove(&partial)?;
    let root = partial.join("root");
    fs::create_dir_all(&root)?;
    let apt = PrivateApt::new(&partial.join("apt"), suite)?;
    let versions: Vec<String> = apt
        .names("python3.")?
        .into_iter()
        .filter(|name| minor_version(name).is_some_and(|minor| minor >= oldest))
        .collect();
    for file in apt.download(&versions)? {
        process::run(Command::new("dpkg").arg("-x").arg(file).arg(&root))?;
    }
    for link in ["bin", "sbin", "lib", "lib64"] {
        if !root.join(link).exists() && root.join("usr").join(link).exists() {
            std::os::unix::fs::symlink(Path::new("usr").join(link), root.join(link))?;
        }
    }
    for mount_point in ["proc", "dev", "mnt", "tmp"] {
        fs::create_dir_all(root.join(mount_point))?;
    }
    for version in &versions {
        wrapper::write(&partial, place, version)?;
    }
    remove(&partial.join("apt"))?;
    fs::write(partial.join("stamp"), STAMP)?;
    remove(place)?;
    fs::rename(&partial, place)?;
    Ok(())
}

/// Returns the minor version in a package name such as `python3.14`; `None` for other
/// names.
fn minor_version(package: &str) -> Option<u8> {
    package.strip_prefix("python3.")?.parse().ok()
}

fn wrappers(place: &Path) -> anyhow::Result<Vec<RootPython>> {
    let inside = place.join("inside");
    let mut names: Vec<_> = fs::read_dir(&inside)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot list {}", inside.display()))?
        .iter()
        .map(fs::DirEntry::file_name)
        .collect();
    names.sort();
    let pythons = names.into_iter().map(|name| RootPython {
        inside: inside.join(&name),
        by_loader: place.join("by-loader").join(&name),
    });
    Ok(pythons.collect())
}

#[cfg(test)]
mod tests {
    use super::minor_version;

    #[test]
    fn only_interpreter_packages_have_a_version() {
        assert_eq!(minor_version("python3.14"), Some(14));
        assert_eq!(minor_version("python3.14-minimal"), None);
        assert_eq!(minor_version("python3-apt"), None);
    }
}
