// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads and replaces the text between the markers of a page of the book, where generated
//! tables go. Nothing else in it changes.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

/// Returns the text between the two markers of `place`.
pub fn read(readme: &Path, place: &str) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let parts = parts(&text, place)
        .with_context(|| format!("cannot find the figures in {}", readme.display()))?;
    Ok(parts.1.to_owned())
}

/// Replaces the text between the two markers of `place`.
pub fn replace(readme: &Path, place: &str, tables: &str) -> anyhow::Result<()> {
    let text =
        fs::read_to_string(readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let text = replaced(&text, place, tables)
        .with_context(|| format!("cannot put the figures into {}", readme.display()))?;
    fs::write(readme, text).with_context(|| format!("cannot write {}", readme.display()))
}

fn replaced(text: &str, place: &str, tables: &str) -> anyhow::Result<String> {
    let (before, _, after) = parts(text, place)?;
    Ok(format!("{before}{tables}{after}"))
}

/// Splits the text into what is before the figures, including their first marker, the
/// figures, and the rest.
fn parts<'a>(text: &'a str, place: &str) -> anyhow::Result<(&'a str, &'a str, &'a str)> {
    let marker = |which: &str| format!("<!-- {place}:{which} -->\n");
    let (begin, end) = (marker("begin"), marker("end"));
    let Some(start) = text.find(&begin).map(|at| at + begin.len()) else {
        bail!("it has no line {:?}", begin.trim());
    };
    let (before, rest) = text.split_at(start);
    let Some(size) = rest.find(&end) else {
        bail!("it has no line {:?} after {:?}", end.trim(), begin.trim());
    };
    let (figures, after) = rest.split_at(size);
    Ok((before, figures, after))
}

#[cfg(test)]
mod tests {
    use super::{parts, replaced};

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = "# A\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nrest\n";
        assert_eq!(parts(text, "bench").expect("both are there").1, "old\n");
        let new = replaced(text, "bench", "new\n").expect("both markers are there");
        assert_eq!(new, text.replace("old", "new"));
        assert_eq!(replaced(&new, "bench", "new\n").expect("still there"), new);
    }

    #[test]
    fn a_readme_without_a_place_stays_as_it_is() {
        assert!(replaced("# A\n", "bench", "new").is_err());
        let other = "<!-- kernels:begin -->\n<!-- kernels:end -->\n";
        assert!(replaced(other, "bench", "new").is_err());
        assert!(replaced("<!-- bench:begin -->\n", "bench", "new").is_err());
    }
}
