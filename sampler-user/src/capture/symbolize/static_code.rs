// SPDX-License-Identifier: MIT OR Apache-2.0

//! Code objects that are part of an interpreter's file, such as its frozen modules: they
//! are the same in every process that runs that build. The process itself has to be asked
//! first, because another process could have changed its own copy.
//!
//! Their names and line tables lie in pages that a process may not have touched yet, so
//! the eBPF program cannot read them there, and a short-lived process is gone before user
//! space can.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::capture::bpf::events::RawCode;
use crate::capture::symbolize::code_facts::CodeFacts;

/// Most code objects that are remembered; then all are forgotten. A build has about two
/// thousand.
const MAX_CODES: usize = 32_768;

/// Where the code objects of a build lie in one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticCode {
    /// Identifies the build.
    pub build: u64,
    /// The addresses of the segments of its file in the process.
    pub addresses: Range<u64>,
}

impl StaticCode {
    /// Returns the build and the distance from the start of its file; `None` outside of
    /// the file.
    fn place(&self, address: u64) -> Option<(u64, u64)> {
        let distance = address.checked_sub(self.addresses.start)?;
        (address < self.addresses.end).then_some((self.build, distance))
    }
}

/// What is known of the code objects of every build.
#[derive(Default)]
pub(super) struct StaticCodes {
    known: FxHashMap<(u64, u64), CodeFacts>,
}

impl StaticCodes {
    /// Remembers what was read of the code object at `address`.
    pub(super) fn remember(&mut self, of: &StaticCode, address: u64, facts: &CodeFacts) {
        let Some(place) = of.place(address) else {
            return;
        };
        if self.known.len() >= MAX_CODES {
            self.known.clear();
        }
        self.known.entry(place).or_insert_with(|| facts.clone());
    }

    /// Returns what the copy in another process said of the code object at `address`.
    pub(super) fn at(&self, of: &StaticCode, address: u64) -> Option<&CodeFacts> {
        self.known.get(&of.place(address)?)
    }

    /// Returns the same for a code object that could be described only in part, if that
    /// part agrees.
    pub(super) fn described(&self, of: &StaticCode, code: &RawCode) -> Option<CodeFacts> {
        let known = self.at(of, code.code)?;
        let fits = known.first_line == code.first_line && known.unit_count == code.unit_count;
        fits.then(|| CodeFacts {
            key: code.key,
            ..known.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use sampler_common::sample::CodeKey;

    use super::*;

    fn facts() -> CodeFacts {
        CodeFacts {
            key: CodeKey(9),
            file_name: "<frozen importlib._bootstrap>".to_owned(),
            name: "_find_and_load".to_owned(),
            first_line: 1349,
            unit_count: 20,
            line_table: Some(Box::default()),
        }
    }

    #[test]
    fn only_what_is_in_the_file_is_the_same_elsewhere() {
        let here = StaticCode {
            build: 1,
            addresses: 0x1000..0x9000,
        };
        let there = StaticCode {
            build: 1,
            addresses: 0x7f00_1000..0x7f00_9000,
        };
        let mut codes = StaticCodes::default();
        codes.remember(&here, 0x2000, &facts());
        codes.remember(&here, 0x9000, &facts());
        assert_eq!(codes.known.len(), 1);
        assert_eq!(codes.at(&there, 0x7f00_2000), Some(&facts()));
        assert_eq!(codes.at(&there, 0x2000), None);
        let other = StaticCode {
            build: 2,
            ..here.clone()
        };
        assert_eq!(codes.at(&other, 0x2000), None);
    }
}
