// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frozen processes: the memory that the walker read from a live interpreter, kept in a
//! file. Tests walk it again without the process.

pub mod file;
pub mod memory;
pub mod replay;
