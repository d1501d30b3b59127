// SPDX-License-Identifier: MIT OR Apache-2.0

//! The parameters of a request. Each one has to be known: a misspelled one is an error,
//! and not ignored.

use std::str::FromStr;

use regex::{Regex, RegexBuilder};

use crate::front::error::ApiError;

/// The most bytes of a query, and the most parameters in it.
const LONGEST_QUERY: usize = 8 << 10;
const MOST_PARAMETERS: usize = 64;
/// The most bytes of memory that a regular expression may need.
const LARGEST_REGEX: usize = 1 << 20;

/// The parameters that have not been taken yet.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of a URL after `?`.
    ///
    /// # Errors
    /// 400: it is too long, or not what forms and `curl --data-urlencode` send.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        if text.len() > LONGEST_QUERY {
            let message = format!("the query is longer than {LONGEST_QUERY} bytes");
            return Err(ApiError::bad_request(message));
        }
        let mut parameters = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let decode = |text: &str| {
                decode(text).ok_or_else(|| {
                    let message = format!("{part}: not encoded as UTF-8 with %; send %25 for %");
                    ApiError::bad_request(message)
                })
            };
            parameters.push((decode(name)?, decode(value)?));
        }
        if parameters.len() > MOST_PARAMETERS {
            let message = format!("the query has more than {MOST_PARAMETERS} parameters");
            return Err(ApiError::bad_request(message));
        }
        Ok(Self(parameters))
    }

    /// Takes all values of a parameter that can be repeated.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        let (found, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(parameter, _)| parameter == name);
        self.0 = rest;
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// Takes a parameter.
    ///
    /// # Errors
    /// 400: it is repeated.
    pub fn one(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.all(name);
        let value = values.pop();
        if values.is_empty() {
            return Ok(value);
        }
        let message = format!("{name} is given more than once; give it once");
        Err(ApiError::bad_request(message))
    }

    /// Takes a parameter that is a number.
    ///
    /// # Errors
    /// 400: it is repeated, or not a number of this type.
    pub fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        self.one(name)?.map(|text| number(name, &text)).transpose()
    }

    /// Takes a parameter that is a list of numbers, with commas or repeated.
    ///
    /// # Errors
    /// 400: one is not a number of this type.
    pub fn numbers<T: FromStr>(&mut self, name: &str) -> Result<Vec<T>, ApiError> {
        let values = self.all(name);
        let texts = values.iter().flat_map(|value| value.split(','));
        texts.map(|text| number(name, text)).collect()
    }

    /// Takes a parameter that says yes (`1`) or no (`0`, or missing).
    ///
    /// # Errors
    /// 400: it is something else.
    pub fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.one(name)?.as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => {
                let message = format!("{name}={other}: give 0 or 1");
                Err(ApiError::bad_request(message))
            }
        }
    }

    /// Takes a parameter that is a regular expression.
    ///
    /// # Errors
    /// 400: it is not valid, or needs too much memory.
    pub fn regex(&mut self, name: &str) -> Result<Option<Regex>, ApiError> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        let built = RegexBuilder::new(&text)
            .size_limit(LARGEST_REGEX)
            .dfa_size_limit(LARGEST_REGEX)
            .build();
        built.map(Some).map_err(|error| {
            ApiError::bad_request(format!("{name} is not a regular expression: {error}"))
        })
    }

    /// Checks that all parameters were taken.
    ///
    /// # Errors
    /// 400, with the names of those that were not.
    pub fn finish(self) -> Result<(), ApiError> {
        let names: Vec<_> = self.0.into_iter().map(|(name, _)| name).collect();
        match names.len() {
            0 => Ok(()),
            _ => {
                let message = format!("unknown parameter: {}", names.join(", "));
                Err(ApiError::bad_request(message))
            }
        }
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, ApiError> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| ApiError::bad_request(format!("{name}={text}: not a number in range")))
}

/// Decodes `%41` and `+`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => 16 * digit(bytes.next()?)? + digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).expect("a query")
    }

    #[test]
    fn parameters_are_decoded_and_taken() {
        let mut query = query("a=1&b=x+y%2B%C3%A4&&c&pid=1,2&pid=3");
        assert_eq!(query.number("a"), Ok(Some(1_u32)));
        assert_eq!(query.one("b"), Ok(Some("x y+ä".into())));
        assert_eq!(query.one("none"), Ok(None));
        assert_eq!(query.numbers("pid"), Ok(vec![1_u32, 2, 3]));
        let error = query.finish().expect_err("c is left");
        assert_eq!(error.message, "unknown parameter: c");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "%ff=1"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
        assert!(Query::parse(&"a".repeat(LONGEST_QUERY + 1)).is_err());
        assert!(Query::parse(&"a&".repeat(MOST_PARAMETERS + 1)).is_err());
        assert!(query("a=1&a=1").one("a").is_err());
        for text in ["-1", "+1", "1.5", "", "4294967296", "x"] {
            let query = query(&format!("a={}", text.replace('+', "%2B"))).number::<u32>("a");
            assert!(query.is_err(), "{text}");
        }
        assert!(query("a=yes").flag("a").is_err());
        assert!(query("a=(").regex("a").is_err());
        assert!(query("a=(x{1000}){1000}").regex("a").is_err());
    }
}
