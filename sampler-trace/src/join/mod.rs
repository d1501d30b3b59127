// SPDX-License-Identifier: MIT OR Apache-2.0

//! Joins the chunks of a long recording into one trace, a segment at a time: what a range
//! of time is cut from, and what a live client follows.

mod account;
mod chunk;
mod clock;
pub mod error;
#[cfg(test)]
mod hostile_tests;
mod identities;
mod joined;
pub mod joiner;
mod last_row;
pub mod options;
mod output;
mod rows;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod window;
