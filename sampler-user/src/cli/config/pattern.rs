// SPDX-License-Identifier: MIT OR Apache-2.0

//! Joins the values of an option that can be repeated.

use regex::Regex;

/// Joins expressions, each of which is well-formed by itself, into one that matches where
/// any of them does; `None` without any.
pub(super) fn any_of(patterns: &[Regex]) -> Option<Regex> {
    let alternatives: Vec<_> = patterns
        .iter()
        .map(|pattern| format!("(?:{pattern})"))
        .collect();
    (!patterns.is_empty())
        .then(|| Regex::new(&alternatives.join("|")).ok())
        .flatten()
}
