// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns samples of addresses into stacks of names and lines.

mod code_facts;
#[cfg(test)]
mod forked_tests;
pub mod paged_out;
mod process_symbols;
pub mod python;
mod source;
pub mod static_code;
