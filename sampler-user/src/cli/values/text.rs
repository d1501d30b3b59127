// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads text that must not be empty, and regular expressions.

use regex::Regex;

use crate::cli::values::error::ValueError;

/// Reads any text but an empty one.
///
/// # Errors
/// [`ValueError::Empty`].
pub fn not_empty(value: &str) -> Result<String, ValueError> {
    match value {
        "" => Err(ValueError::Empty),
        value => Ok(value.to_owned()),
    }
}

/// Reads a regular expression. An empty one, which matches everything, is more likely a
/// variable that was not set.
///
/// # Errors
/// [`ValueError::Empty`] or [`ValueError::Pattern`].
pub fn pattern(value: &str) -> Result<Regex, ValueError> {
    Regex::new(&not_empty(value)?).map_err(|error| ValueError::Pattern {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_or_malformed_is_refused() {
        assert!(pattern("a|b").is_ok_and(|it| it.is_match("cab")));
        assert_eq!(pattern("").err(), Some(ValueError::Empty));
        for value in ["(", ")", "a)(b"] {
            let error = pattern(value).err();
            assert!(matches!(error, Some(ValueError::Pattern { .. })), "{value}");
        }
    }
}
