// SPDX-License-Identifier: MIT OR Apache-2.0

//! The string table of a profile. The empty string comes first, as the schema requires.

use std::collections::HashMap;

/// Strings by number, each once.
#[derive(Debug)]
pub(super) struct StringTable {
    strings: Vec<String>,
    numbers: HashMap<String, i64>,
}

impl StringTable {
    pub(super) fn new() -> Self {
        Self {
            strings: vec![String::new()],
            numbers: HashMap::from([(String::new(), 0)]),
        }
    }

    /// Returns the number of a string, and adds it if it is new.
    pub(super) fn number(&mut self, string: &str) -> i64 {
        if let Some(&number) = self.numbers.get(string) {
            return number;
        }
        let number = i64::try_from(self.strings.len()).unwrap_or(0);
        self.strings.push(string.to_owned());
        self.numbers.insert(string.to_owned(), number);
        number
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.strings.iter().map(String::as_str)
    }
}
