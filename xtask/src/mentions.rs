// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds files that a page or a comment names and that have been moved or deleted.

use std::path::{Path, PathBuf};

/// Extensions of the files that are looked for.
const EXTENSIONS: [&str; 8] = ["rs", "ts", "mjs", "py", "toml", "md", "json", "html"];

/// Returns the paths in backticks in a text: those with at least one directory, without
/// patterns such as `*.rs` and without files outside of the repository.
fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let quoted = line.split('`').skip(1).step_by(2);
        quoted.filter(|it| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
            let extension = Path::new(it).extension().and_then(|it| it.to_str());
            it.contains('/')
                && !it.starts_with(['/', '.'])
                && it.chars().all(is_plain)
                && extension.is_some_and(|it| EXTENSIONS.contains(&it))
        })
    })
}

/// Whether one of the files has this path, counted from any directory.
fn exists(files: &[PathBuf], path: &str) -> bool {
    files.iter().any(|file| file.ends_with(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Directories with files that are fetched or built, except for the page.
    const NOT_OURS: [&str; 2] = ["target", "node_modules"];

    fn files(root: &Path, directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(root.join(directory)).expect("it can be listed") {
            let entry = entry.expect("it can be listed");
            let name = entry.file_name();
            let path = directory.join(&name);
            if !entry.file_type().expect("it has a type").is_dir() {
                found.push(path);
            } else if !name.to_string_lossy().starts_with('.')
                && !NOT_OURS.iter().any(|it| *it == name)
            {
                files(root, &path, found);
            }
        }
    }

    /// Of a comment, only paths from the top of the repository are ours for certain: many
    /// are those of CPython or of the kernel.
    fn is_of_repository(root: &Path, path: &str) -> bool {
        let first = path.split('/').next().unwrap_or_default();
        let crates = ["sampler-", "xtask", "bench", "fuzz", "viewer"];
        crates.iter().any(|it| first.starts_with(it)) && root.join(first).is_dir()
    }

    #[test]
    fn every_file_that_is_mentioned_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut all = Vec::new();
        files(&root, Path::new(""), &mut all);
        let (mut missing, mut count) = (Vec::new(), 0);
        for file in &all {
            let extension = file.extension().and_then(|it| it.to_str());
            let is_page = extension == Some("md");
            if !is_page && !matches!(extension, Some("rs" | "ts" | "toml")) {
                continue;
            }
            let text = fs::read_to_string(root.join(file)).expect("it is text");
            for path in mentioned(&text) {
                if !is_page && !is_of_repository(&root, path) {
                    continue;
                }
                count += 1;
                if !exists(&all, path) {
                    missing.push(format!("{}: {path}", file.display()));
                }
            }
        }
        assert!(count > 100, "{count}");
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn paths_are_told_from_other_words() {
        let text = "`a/b.rs` and `c.rs`, `*/x.rs`, `/etc/p.toml`, `a/b`, d/e.rs\n`f/g.md`";
        assert_eq!(mentioned(text).collect::<Vec<_>>(), ["a/b.rs", "f/g.md"]);
        let files = [PathBuf::from("x/a/b.rs")];
        assert!(exists(&files, "a/b.rs") && !exists(&files, "b/b.rs"));
        assert!(!exists(&files, "/a/b.rs"));
    }
}
