// SPDX-License-Identifier: MIT OR Apache-2.0

//! The state directory: what was sampled, in chunks, and what is kept of it for longer.
//!
//! ```text
//! lock                      held by the one server that uses the directory
//! chunks/00000042.pyebpf    traces of about a minute each; the last is being written
//! marks/00000007.json       a moment around which chunks are kept
//! recordings/00000003.json  a recording that was asked for
//! ```
//!
//! The recorder is the only one that writes, the front only reads. Files are ordered by
//! their numbers and never by a clock, which can be set back.

pub mod book;
pub mod chunks;
pub mod directory;
pub mod entry;
pub mod files;
pub mod reader;
pub mod retention;
