// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads options that are regular expressions.

use regex::Regex;

use crate::cli::config::error::UsageError;

/// Joins the typed expressions into one that matches where any of them does.
pub(super) fn pattern(
    option: &'static str,
    arguments: &[String],
) -> Result<Option<Regex>, UsageError> {
    if arguments.iter().any(String::is_empty) {
        return Err(UsageError::Empty { option });
    }
    // Each is compiled by itself first, so that no parenthesis of one closes another's.
    for value in arguments {
        Regex::new(value).map_err(|error| UsageError::Pattern {
            option,
            value: value.clone(),
            reason: error.to_string(),
        })?;
    }
    let alternatives: Vec<_> = arguments
        .iter()
        .map(|value| format!("(?:{value})"))
        .collect();
    Ok((!arguments.is_empty())
        .then(|| Regex::new(&alternatives.join("|")).ok())
        .flatten())
}
