// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tables of text that fit into a terminal.

use sampler_trace::escape::escape_for_terminal;

/// The width of a terminal.
const WIDTH: usize = 80;
/// The greatest width of a column, except for the last.
const WIDEST: usize = 24;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    head: &'static str,
    is_number: bool,
}

/// A column of text.
pub(super) const fn text(head: &'static str) -> Column {
    Column {
        head,
        is_number: false,
    }
}

/// A column of numbers, which are aligned on the right.
pub(super) const fn number(head: &'static str) -> Column {
    Column {
        head,
        is_number: true,
    }
}

/// Returns a table. Columns without any content are left out, and the last one is cut to
/// what is left of the line.
pub(super) fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| {
            row.each_ref()
                .map(|cell| escape_for_terminal(cell).into_owned())
        })
        .collect();
    let width = |index: usize| {
        let widths = rows.iter().map(|row| row[index].chars().count());
        let widest = widths.max().filter(|width| *width > 0)?;
        Some(widest.max(columns[index].head.len()).min(WIDEST))
    };
    let widths: Vec<Option<usize>> = (0..N).map(width).collect();
    let heads = columns.map(|column| column.head.to_owned());
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        let cells = row.iter().zip(columns).zip(&widths).enumerate();
        for (index, ((cell, column), width)) in cells {
            let Some(width) = *width else { continue };
            if index + 1 == N {
                let left = WIDTH.saturating_sub(line.chars().count());
                line.push_str(&cut(cell, left));
            } else if column.is_number {
                line.push_str(&format!("{:>width$}  ", cut(cell, width)));
            } else {
                line.push_str(&format!("{:<width$}  ", cut(cell, width)));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The beginning of a text that is too long.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let beginning = text.chars().take(width.saturating_sub(1));
    beginning.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_into_a_terminal_and_has_no_empty_column() {
        let columns = [number("ID"), text("EMPTY"), text("NAME"), text("COMMAND")];
        let row = |id: &str, name: &str, command: &str| {
            [id.into(), String::new(), name.into(), command.into()]
        };
        let rows = [
            row("7", "app", "python3 app.py"),
            row("1234", "a\x1b[2J", &"x".repeat(100)),
            row("8", &"n".repeat(30), ""),
        ];
        let expected = format!(
            "\x20 ID  NAME                      COMMAND
   7  app                       python3 app.py
1234  a\\u{{1b}}[2J                {}…
   8  {}…
",
            "x".repeat(47),
            "n".repeat(23)
        );
        let text = table(columns, &rows);
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
