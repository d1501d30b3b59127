//! The README's place for figures. It refuses to change anything outside of it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

const BEGIN: &str = "<!-- bench:begin -->\n";
const END: &str = "<!-- bench:end -->\n";

/// Replaces what stands between the two markers.
pub(super) fn replace(readme: &Path, tables: &str) -> anyhow::Result<()> {
    let text =
        fs::read_to_string(readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let text = replaced(&text, tables)
        .with_context(|| format!("cannot put the figures into {}", readme.display()))?;
    fs::write(readme, text).with_context(|| format!("cannot write {}", readme.display()))
}

fn replaced(text: &str, tables: &str) -> anyhow::Result<String> {
    let Some((before, rest)) = text.split_once(BEGIN) else {
        bail!("it has no line {:?}", BEGIN.trim());
    };
    let Some((_, after)) = rest.split_once(END) else {
        bail!("it has no line {:?} after {:?}", END.trim(), BEGIN.trim());
    };
    Ok(format!("{before}{BEGIN}{tables}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = "# A\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nrest\n";
        let new = replaced(text, "new\n").expect("both markers are there");
        assert_eq!(new, text.replace("old", "new"));
        assert_eq!(replaced(&new, "new\n").expect("still there"), new);
    }

    #[test]
    fn a_readme_without_a_place_stays_as_it_is() {
        assert!(replaced("# A\n", "new").is_err());
        assert!(replaced("<!-- bench:begin -->\n", "new").is_err());
    }
}
