// SPDX-License-Identifier: MIT OR Apache-2.0

//! Formats the table of kernels for docs/supported.md.

use super::kernels::SUITES;
use super::outcome::Outcome;

/// One kernel of the table.
pub(super) struct Row {
    /// Its first two version numbers, as in [`SUITES`].
    pub(super) name: String,
    /// Its release, such as `6.1.0-41-amd64`.
    pub(super) release: String,
    /// Minor versions of the interpreters that were sampled.
    pub(super) pythons: Vec<u8>,
    pub(super) outcome: Outcome,
}

impl Row {
    /// Returns what went wrong: failed tests by name, or that no test ran.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        let none = self.outcome.passed == 0 && self.outcome.failed.is_empty();
        let none = none.then(|| "no test ran".to_owned());
        self.outcome.failed.iter().cloned().chain(none)
    }

    fn line(&self) -> String {
        let Outcome {
            walk,
            scans,
            passed,
            failed,
        } = &self.outcome;
        let pythons: Vec<String> = self.pythons.iter().map(|it| format!("3.{it}")).collect();
        format!(
            "| {} | {} | {walk} | {scans} | {passed} | {} |",
            self.release,
            pythons.join(", "),
            failed.len()
        )
    }
}

/// Returns the table in Markdown. A kernel that is not among `rows` keeps its row of
/// `old`, an earlier table.
pub(super) fn render(rows: &[Row], old: &str) -> String {
    let mut text = "\
        Written by `cargo xtask vm`: live tests in qemu, by software emulation.\n\n\
        | Kernel | CPython | Stacks are walked by | Waiting threads are scanned by | Tests passed | failed |\n\
        |---|---|---|---|--:|--:|\n"
        .to_owned();
    for (name, _) in SUITES {
        let new = rows.iter().find(|row| row.name == name).map(Row::line);
        let start = format!("| {name}.");
        let old = || old.lines().find(|line| line.starts_with(&start));
        if let Some(line) = new.or_else(|| old().map(str::to_owned)) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, passed: u64, failed: &[&str]) -> Row {
        Row {
            name: name.to_owned(),
            release: format!("{name}.0-9-amd64"),
            pythons: vec![10, 15],
            outcome: Outcome {
                walk: "calls".to_owned(),
                scans: "user space".to_owned(),
                passed,
                failed: failed.iter().map(|name| (*name).to_owned()).collect(),
            },
        }
    }

    #[test]
    fn a_row_says_how_the_kernel_does_it() {
        let table = render(&[row("5.10", 7, &["chain::a"])], "");
        let last = table.lines().last();
        let expected = "| 5.10.0-9-amd64 | 3.10, 3.15 | calls | user space | 7 | 1 |";
        assert_eq!(last, Some(expected));
    }

    #[test]
    fn kernels_that_were_not_booted_keep_their_rows() {
        let all = render(
            &[row("6.12", 1, &[]), row("5.10", 2, &[]), row("6.1", 3, &[])],
            "",
        );
        let again = render(&[row("6.1", 4, &[])], &all);
        let counts: Vec<&str> = again
            .lines()
            .filter(|line| line.contains("amd64"))
            .filter_map(|line| line.split(" | ").nth(4))
            .collect();
        assert_eq!(counts, ["2", "4", "1"]);
    }

    #[test]
    fn a_kernel_on_which_no_test_ran_has_failed() {
        assert_eq!(row("6.1", 1, &[]).failures().count(), 0);
        assert_eq!(row("6.1", 1, &["chain::a"]).failures().count(), 1);
        assert_eq!(row("6.1", 0, &[]).failures().count(), 1);
    }
}
