// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names the files that `--split` writes. A label comes from a process and may hold
//! anything.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The longest label in a file name, in bytes.
const LONGEST_LABEL: usize = 80;

/// Inserts a label into a file name: `trace.json` with the label `gunicorn-12` becomes
/// `trace.gunicorn-12.json`.
///
/// `extension` has no leading dot and may have several parts; if `path` does not end in
/// it, the label goes to the end. ASCII letters, digits, `-` and `_` of the label are
/// kept, everything else becomes `_`, and the label is cut at 80 bytes: make labels
/// distinct within that, for example by starting them with the pid.
pub fn part_path(path: &Path, extension: &str, label: &str) -> PathBuf {
    let label: String = label
        .chars()
        .take(LONGEST_LABEL)
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => letter,
            _ => '_',
        })
        .collect();
    let name = path.file_name().unwrap_or_default();
    let suffix = format!(".{extension}");
    let mut part = OsString::new();
    match name.to_str().and_then(|name| name.strip_suffix(&suffix)) {
        Some(stem) => part.push(format!("{stem}.{label}{suffix}")),
        None => {
            part.push(name);
            part.push(format!(".{label}"));
        }
    }
    path.with_file_name(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(path: &str, extension: &str, label: &str) -> String {
        part_path(Path::new(path), extension, label)
            .display()
            .to_string()
    }

    #[test]
    fn a_label_goes_before_the_extension() {
        assert_eq!(
            part("a/trace.json", "json", "12-worker"),
            "a/trace.12-worker.json"
        );
        assert_eq!(
            part("t.speedscope.json", "speedscope.json", "7"),
            "t.7.speedscope.json"
        );
        assert_eq!(part("trace", "json", "7"), "trace.7");
    }

    #[test]
    fn a_hostile_label_stays_in_its_directory() {
        assert_eq!(
            part("a/t.json", "json", "../../etc/x\n\u{202e}"),
            "a/t.______etc_x__.json"
        );
        assert_eq!(
            part("t.json", "json", &"x".repeat(4000)).len(),
            80 + "t..json".len()
        );
    }
}
