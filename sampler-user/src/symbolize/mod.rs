//! Turns samples of addresses into stacks of names and lines. It refuses to know
//! the kernel side's maps, and what a thread did before or after.

mod code_facts;
#[cfg(test)]
mod forked_tests;
mod process_symbols;
pub mod python;
mod source;
mod static_code;

pub use python::{Counts, ProcessContext, ResolvedSample, Symbolizer};
pub use static_code::StaticCode;
