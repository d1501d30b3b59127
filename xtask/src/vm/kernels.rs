// SPDX-License-Identifier: MIT OR Apache-2.0

//! Fetches Debian's kernels once and keeps them: the suite that has each, its image,
//! and the modules that a guest needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::modules;
use super::paths::find;
use crate::apt::PrivateApt;
use crate::cache;
use crate::process::{self, say};

/// Kernels by their first two version numbers, and the Debian suite that has each.
pub(super) const SUITES: [(&str, &str); 4] = [
    ("5.10", "bullseye"),
    ("6.1", "bookworm"),
    ("6.12", "trixie"),
    ("7.2", "forky"),
];

/// The package of the static shell that a guest begins with.
const SHELL: &str = "busybox-static";

/// Written last. Raise the number when what is kept of a kernel changes.
const STAMP: &str = "pyebpf kernel 1\n";

/// A kernel that is ready to boot.
pub(super) struct GuestKernel {
    /// Its first two version numbers, by which it is asked for.
    pub(super) name: String,
    /// The same as numbers, to compare.
    pub(super) version: (u32, u32),
    /// Its release, such as `6.1.0-41-amd64`.
    pub(super) release: String,
    directory: PathBuf,
}

impl GuestKernel {
    /// Returns the path of the image to boot.
    pub(super) fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// Returns the path of a statically linked busybox.
    pub(super) fn shell(&self) -> PathBuf {
        self.directory.join("busybox")
    }

    /// Returns the paths of the modules, in the order in which they have to be loaded.
    pub(super) fn modules(&self) -> anyhow::Result<Vec<PathBuf>> {
        let directory = self.directory.join("modules");
        let order = fs::read_to_string(directory.join("order"))?;
        Ok(order.lines().map(|name| directory.join(name)).collect())
    }
}

/// Returns the kernel `name` (such as `5.10`), fetching it if it is not kept yet.
pub(super) fn find_or_fetch(name: &str) -> anyhow::Result<GuestKernel> {
    let Some((_, suite)) = SUITES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<_> = SUITES.iter().map(|(known, _)| *known).collect();
        bail!("there is no kernel {name} here, but {}", known.join(", "));
    };
    for program in ["apt-get", "apt-cache", "apt-config", "dpkg"] {
        if !process::on_path(program) {
            bail!("this host has no {program}, so no kernel can be fetched");
        }
    }
    let (cache, _lock) = cache::locked("kernels")?;
    let place = cache.join(name);
    if fs::read_to_string(place.join("stamp")).ok().as_deref() != Some(STAMP) {
        fetch(&place, name, suite)
            .with_context(|| format!("cannot fetch the kernel {name} of Debian {suite}"))?;
    }
    let numbers = version(name);
    Ok(GuestKernel {
        name: name.to_owned(),
        version: (numbers[0], numbers[1]),
        release: fs::read_to_string(place.join("release"))?,
        directory: place,
    })
}

/// Fetches a kernel beside `place` and renames it to that when it is complete.
fn fetch(place: &Path, name: &str, suite: &str) -> anyhow::Result<()> {
    say(format!("fetching the kernel {name} of Debian {suite}"));
    let partial = place.with_file_name(format!("{name}.partial"));
    cache::remove(&partial)?;
    fs::create_dir_all(&partial)?;
    let apt = PrivateApt::new(&partial.join("apt"), suite)?;
    let image = newest(apt.names(&format!("linux-image-{name}."))?)
        .with_context(|| format!("Debian {suite} has no kernel {name} any more"))?;
    let unpacked = partial.join("unpacked");
    // From 7.0 on, image and modules are separate packages.
    let mut packages = vec![image.clone(), SHELL.to_owned()];
    packages.extend(apt.dependencies(&image, "linux-")?);
    for package in &packages {
        let file = apt.download_alone(package)?;
        process::run(Command::new("dpkg").arg("-x").arg(file).arg(&unpacked))?;
    }
    let is_image = |name: &str| name == "vmlinuz" || name.starts_with("vmlinuz-");
    let vmlinuz = find(&unpacked, &is_image)
        .with_context(|| format!("{} have no vmlinuz", packages.join(", ")))?;
    let release = modules::extract(&unpacked, &partial.join("modules"))?;
    let shell = ["usr/bin/busybox", "bin/busybox"].map(|path| unpacked.join(path));
    let shell = shell.iter().find(|path| path.is_file());
    let shell = shell.with_context(|| format!("{SHELL} has no busybox"))?;
    fs::write(partial.join("release"), release)?;
    fs::copy(&vmlinuz, partial.join("vmlinuz"))?;
    fs::copy(shell, partial.join("busybox"))?;
    cache::remove(&unpacked)?;
    cache::remove(&partial.join("apt"))?;
    fs::write(partial.join("stamp"), STAMP)?;
    cache::remove(place)?;
    fs::rename(&partial, place)?;
    Ok(())
}

/// Returns the newest image for ordinary machines among these packages.
fn newest(names: Vec<String>) -> Option<String> {
    let is_ordinary = |name: &String| {
        let parts: Vec<&str> = name.split('-').collect();
        let others = ["cloud", "rt", "dbg", "unsigned"];
        parts.last() == Some(&"amd64") && !parts.iter().any(|part| others.contains(part))
    };
    let images = names.into_iter().filter(is_ordinary);
    images.max_by_key(|name| version(name))
}

/// Returns all numbers in a name, in order.
fn version(name: &str) -> Vec<u32> {
    name.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn the_newest_ordinary_image_is_taken() {
        let names = [
            "linux-image-6.1.0-9-amd64",
            "linux-image-6.1.0-41-amd64",
            "linux-image-6.1.0-50-cloud-amd64",
            "linux-image-6.1.0-50-rt-amd64",
            "linux-image-6.1.0-50-amd64-dbg",
            "linux-image-6.1.0-50-amd64-unsigned",
        ];
        let names = names.map(str::to_owned).to_vec();
        let image = newest(names).expect("two are ordinary");
        assert_eq!(image, "linux-image-6.1.0-41-amd64");
        assert_eq!(newest(vec!["linux-image-6.1.0-9-arm64".to_owned()]), None);
    }
}
