// SPDX-License-Identifier: MIT OR Apache-2.0

//! What several integration tests share: interpreters, scripts that they run,
//! frozen processes, and terminals.

pub mod frozen;
pub mod interpreters;
pub mod script;
pub mod terminal;
