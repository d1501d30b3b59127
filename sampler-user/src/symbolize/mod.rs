// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns samples of addresses into stacks of names and lines.

mod code_facts;
#[cfg(test)]
mod forked_tests;
mod paged_out;
mod process_symbols;
pub mod python;
mod source;
mod static_code;

pub(crate) use paged_out::read_frames;
pub use python::{Counts, ProcessContext, ResolvedSample, Symbolizer};
pub use static_code::StaticCode;
