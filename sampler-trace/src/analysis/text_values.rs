// SPDX-License-Identifier: MIT OR Apache-2.0

//! Formats the single values of a report: places, names, shares and times.

use std::fmt::Write as _;

use crate::analysis::place::CodePlace;
use crate::escape::escape_for_terminal;

/// The most characters of a name that are written.
const LONGEST_NAME: usize = 160;

/// Formats a place: `f (a.py:3)`.
pub(super) fn place(of: &CodePlace) -> String {
    let mut text = format!("{} ({}", shown(&of.function), shown(&of.file));
    if of.line > 0 {
        write!(text, ":{}", of.line).expect("a String takes any text");
    }
    text.push(')');
    text
}

/// Returns a name as it is written: never empty, never longer than some lines, and
/// without anything that a terminal would obey.
pub(super) fn shown(name: &str) -> String {
    if name.is_empty() {
        return "?".to_owned();
    }
    match name.char_indices().nth(LONGEST_NAME) {
        None => escape_for_terminal(name).into_owned(),
        Some((end, _)) => {
            let start = name.get(..end).unwrap_or_default();
            format!("{}…", escape_for_terminal(start))
        }
    }
}

/// Formats a share: `12.5 %`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

/// Formats a time: `1.50 s`, `340 us`.
pub(super) fn seconds(microseconds: u64) -> String {
    match microseconds {
        0 => "0 s".to_owned(),
        1..1000 => format!("{microseconds} us"),
        1000..1_000_000 => format!("{:.1} ms", microseconds as f64 / 1e3),
        _ => format!("{:.2} s", microseconds as f64 / 1e6),
    }
}
