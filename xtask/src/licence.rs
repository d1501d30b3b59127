// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks that every source file names its licence in its first line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::workspace::Workspace;

/// The licence of the eBPF programs, some of whose helpers the kernel gives only to
/// programs under the GPL, and of everything else.
const OF_EBPF: &str = "// SPDX-License-Identifier: MIT OR GPL-2.0-only";
const OF_OTHERS: &str = "// SPDX-License-Identifier: MIT OR Apache-2.0";

/// Directories with files that are fetched or built.
const NOT_OURS: [&str; 3] = ["target", "node_modules", "dist"];

/// Extensions of source files.
const SOURCES: [&str; 3] = ["rs", "ts", "mjs"];

pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let mut files = Vec::new();
    sources(&workspace.root, &mut files)?;
    ensure!(files.len() > 100, "there are hardly any source files");
    let ebpf = workspace.root.join("sampler-ebpf");
    let mut wrong = Vec::new();
    for path in files {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_ebpf = path.starts_with(&ebpf);
        let licence = if is_ebpf { OF_EBPF } else { OF_OTHERS };
        // A program that the shell starts has its interpreter first.
        if !text.lines().take(2).any(|line| line == licence) {
            wrong.push(path.display().to_string());
        }
    }
    ensure!(
        wrong.is_empty(),
        "these files do not begin with the line of their licence (CONTRIBUTING.md): {}",
        wrong.join(", ")
    );
    Ok(())
}

/// Finds the source files below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && !NOT_OURS.contains(&&*name) {
                sources(&path, found)?;
            }
        } else if path
            .extension()
            .is_some_and(|it| SOURCES.contains(&&*it.to_string_lossy()))
        {
            found.push(path);
        }
    }
    Ok(())
}
