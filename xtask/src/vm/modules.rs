// SPDX-License-Identifier: MIT OR Apache-2.0

//! Copies the modules of a kernel that a guest needs to see the host's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::paths::find;

/// Modules for a root directory of two layers, the lower of which comes from the host
/// by 9p over virtio. What a kernel has built in is not a module, and is not missed.
const WANTED: [&str; 5] = ["virtio_pci", "virtio_mmio", "9pnet_virtio", "9p", "overlay"];

/// Those of [`WANTED`] that must exist, as a module or built in.
const NEEDED: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// Copies the wanted modules, with all that they depend on, to `destination`,
/// decompressed, and writes a file `order` with their names in loading order. Returns
/// the release of the kernel that they are for.
pub(super) fn extract(unpacked: &Path, destination: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(destination)?;
    let mut releases = ["usr/lib/modules", "lib/modules"]
        .into_iter()
        .filter_map(|directory| fs::read_dir(unpacked.join(directory)).ok())
        .flat_map(Iterator::flatten);
    let release = releases.next().context("the packages have no modules")?;
    let tree = release.path();
    let release = release.file_name().into_string();
    let release = release.ok().context("a kernel's release is text")?;
    let built_in = fs::read_to_string(tree.join("modules.builtin"))?;
    let mut copied = Modules {
        tree: &tree,
        destination,
        order: Vec::new(),
        found: BTreeMap::new(),
    };
    for name in WANTED {
        let is_there = copied.copy(name)?;
        let file = format!("/{name}.ko");
        let is_built_in = built_in.lines().any(|line| line.ends_with(&file));
        if !is_there && !is_built_in && NEEDED.contains(&name) {
            bail!("the kernel {release} has no {name}");
        }
    }
    fs::write(destination.join("order"), copied.order.join("\n"))?;
    Ok(release)
}

struct Modules<'a> {
    tree: &'a Path,
    destination: &'a Path,
    order: Vec<String>,
    /// Whether there is a module of this name.
    found: BTreeMap<String, bool>,
}

impl Modules<'_> {
    /// Copies a module, after those that it depends on. Returns whether there is one.
    fn copy(&mut self, name: &str) -> anyhow::Result<bool> {
        if let Some(found) = self.found.get(name) {
            return Ok(*found);
        }
        let is_it = |file: &str| {
            let stem = file.split_once(".ko").map(|(stem, _)| stem);
            stem.is_some_and(|stem| stem.replace('-', "_") == name)
        };
        let file = find(self.tree, &is_it);
        self.found.insert(name.to_owned(), file.is_some());
        let Some(file) = file else { return Ok(false) };
        let bytes = unpack(&file)?;
        for needed in needed_by(&bytes) {
            self.copy(&needed)?;
        }
        let file = format!("{name}.ko");
        fs::write(self.destination.join(&file), bytes)?;
        self.order.push(file);
        Ok(true)
    }
}

/// Reads a module, which may be compressed.
fn unpack(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let program = match file.extension().and_then(|it| it.to_str()) {
        Some("ko") => return Ok(fs::read(file)?),
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => bail!("{} is packed in an unknown way", file.display()),
    };
    let output = Command::new(program)
        .args(["--decompress", "--stdout"])
        .arg(file)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{program}` is missing, unpacking a module needs it"))?;
    if !output.status.success() {
        bail!("`{program}` cannot unpack {}", file.display());
    }
    Ok(output.stdout)
}

/// Returns the modules on which a module depends: `depends=a,b` in its `.modinfo`
/// section.
fn needed_by(module: &[u8]) -> Vec<String> {
    const FIELD: &[u8] = b"\0depends=";
    let start = module
        .windows(FIELD.len())
        .position(|bytes| bytes == FIELD)
        .map(|start| start + FIELD.len());
    let Some(rest) = start.and_then(|start| module.get(start..)) else {
        return Vec::new();
    };
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&rest[..end])
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::needed_by;

    #[test]
    fn what_a_module_needs_is_read_from_it() {
        let module = b"\x7fELF\0license=GPL\0depends=9pnet,virtio-ring\0name=x\0";
        assert_eq!(needed_by(module), ["9pnet", "virtio_ring"]);
        assert!(needed_by(b"license=GPL\0depends=\0name=x\0").is_empty());
        assert!(needed_by(b"").is_empty());
    }
}
