//! The table of kernels, as the README has it. It refuses to run anything.

use super::outcome::Outcome;
use crate::interpreters::Interpreter;

/// One kernel of the table.
pub(super) struct Row {
    /// What it calls itself.
    pub(super) kernel: String,
    pub(super) outcome: Outcome,
}

impl Row {
    /// What went wrong: tests by name, or that there were none.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        let none = self.outcome.passed == 0 && self.outcome.failed.is_empty();
        let none = none.then(|| "no test ran".to_owned());
        self.outcome.failed.iter().cloned().chain(none)
    }
}

/// The table in Markdown.
pub(super) fn render(rows: &[Row], pythons: &[&Interpreter]) -> String {
    let versions: Vec<String> = pythons.iter().map(|it| format!("3.{}", it.minor)).collect();
    let mut text = format!(
        "Measured by `cargo xtask vm`: live tests with CPython {} in qemu, by software \
         emulation.\n\n\
         | Kernel | From frame to frame by | Waiting threads are looked at by | Tests passed | failed |\n\
         |---|---|---|--:|--:|\n",
        listed(&versions)
    );
    for Row { kernel, outcome } in rows {
        let Outcome {
            walk,
            passes,
            passed,
            failed,
        } = outcome;
        text.push_str(&format!(
            "| {kernel} | {walk} | {passes} | {passed} | {} |\n",
            failed.len()
        ));
    }
    text
}

/// `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => "(none)".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(passed: u64, failed: &[&str]) -> Row {
        Row {
            kernel: "5.10.0-9-amd64".to_owned(),
            outcome: Outcome {
                walk: "calls".to_owned(),
                passes: "user space".to_owned(),
                passed,
                failed: failed.iter().map(|name| (*name).to_owned()).collect(),
            },
        }
    }

    #[test]
    fn a_row_says_how_the_kernel_does_it() {
        let table = render(&[row(7, &["chain::a"])], &[]);
        let last = table.lines().last();
        assert_eq!(
            last,
            Some("| 5.10.0-9-amd64 | calls | user space | 7 | 1 |")
        );
    }

    #[test]
    fn a_kernel_on_which_no_test_ran_has_failed() {
        assert_eq!(row(1, &[]).failures().count(), 0);
        assert_eq!(row(1, &["chain::a"]).failures().count(), 1);
        assert_eq!(row(0, &[]).failures().count(), 1);
    }

    #[test]
    fn words_are_listed_as_people_do() {
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(listed(&words), "a, b and c");
        assert_eq!(listed(&words[..1]), "a");
    }
}
