// SPDX-License-Identifier: MIT OR Apache-2.0

//! What several integration tests share: interpreters, scripts that they run,
//! and frozen processes.

pub mod frozen;
pub mod interpreters;
pub mod script;
