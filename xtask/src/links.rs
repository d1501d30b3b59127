// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds links between the pages of the repository that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The links of one page: where each leads, and the headings that others can link to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    targets: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    /// Reads Markdown. What stands in a block of code is no link.
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut in_code = false;
        for line in text.lines() {
            if line.starts_with("```") {
                in_code = !in_code;
            } else if !in_code {
                page.read_line(line);
            }
        }
        page
    }

    fn read_line(&mut self, line: &str) {
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() && heading.starts_with(' ') {
            self.anchors.insert(anchor(heading.trim()));
        }
        for rest in line.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                self.targets.push(target.to_owned());
            }
        }
    }
}

/// Returns the name that a heading has in a link, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|it| match it {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        it if it.is_alphanumeric() => Some(it),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Returns each link that leads to no file, or to no heading of a page, as
/// `page: target`. `pages` are the Markdown files below `root`, by their paths from there.
fn broken(root: &Path, pages: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let read: BTreeMap<_, _> = pages
        .iter()
        .map(|(path, text)| (path.as_path(), Page::read(text)))
        .collect();
    let mut broken = Vec::new();
    for (path, page) in &read {
        for target in &page.targets {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let goal = match file {
                "" => path.to_path_buf(),
                file => beside(path, Path::new(file)),
            };
            let is_there = match read.get(goal.as_path()) {
                Some(page) => heading.is_empty() || page.anchors.contains(heading),
                None => root.join(&goal).exists(),
            };
            if !is_there {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    broken
}

/// Returns the path of `file`, which is given from the directory of `page`.
fn beside(page: &Path, file: &Path) -> PathBuf {
    let mut path = page.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in file.components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The pages of the repository: those at its top, and the book.
    fn pages(root: &Path) -> BTreeMap<PathBuf, String> {
        let mut pages = BTreeMap::new();
        for directory in ["", "docs", "docs/internals"] {
            let entries = fs::read_dir(root.join(directory)).expect("it is there");
            for entry in entries.flatten() {
                let path = Path::new(directory).join(entry.file_name());
                if path.extension().is_some_and(|it| it == "md") {
                    let text = fs::read_to_string(entry.path()).expect("it is text");
                    pages.insert(path, text);
                }
            }
        }
        pages
    }

    #[test]
    fn no_link_leads_nowhere() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let pages = pages(&root);
        assert!(pages.len() > 20, "{}", pages.len());
        assert_eq!(broken(&root, &pages), Vec::<String>::new());
    }

    #[test]
    fn every_page_of_the_book_is_in_its_summary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut pages = pages(&root);
        let summary = Path::new("docs/SUMMARY.md");
        let listed = Page::read(&pages.remove(summary).expect("it is there")).targets;
        let listed: BTreeSet<_> = listed
            .iter()
            .map(|it| beside(summary, Path::new(it)))
            .collect();
        let of_book = pages.into_keys().filter(|path| path.starts_with("docs"));
        let missing: Vec<_> = of_book.filter(|path| !listed.contains(path)).collect();
        assert_eq!(missing, Vec::<PathBuf>::new());
    }

    #[test]
    fn a_missing_file_and_a_missing_heading_are_found() {
        let pages = [
            (
                "a.md",
                "# The `first` page\n[b](docs/b.md#where-it-is) [c](c.md)\n",
            ),
            (
                "docs/b.md",
                "## Where it is\n```\n[no link](x.md)\n```\n[a](../a.md#the-first-page) \
                 [none](../a.md#second) [out](https://example.org)\n",
            ),
        ];
        let pages = pages
            .map(|(path, text)| (PathBuf::from(path), text.to_owned()))
            .into();
        let nowhere = Path::new("/nonexistent");
        let expected = ["a.md: c.md", "docs/b.md: ../a.md#second"];
        assert_eq!(broken(nowhere, &pages), expected);
    }
}
