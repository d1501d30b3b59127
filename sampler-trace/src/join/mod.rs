// SPDX-License-Identifier: MIT OR Apache-2.0

//! Joins the chunks of a long recording into one trace, a segment at a time: what a range
//! of time is cut from, and what a live client follows.

mod account;
mod clock;
pub mod error;
mod identities;
pub mod joiner;
mod lines;
pub mod options;
mod output;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod window;
