// SPDX-License-Identifier: MIT OR Apache-2.0

//! All knowledge of CPython's versions: where things lie in memory, and how they are
//! encoded.

pub mod c_library;
mod code_count;
pub mod code_object;
mod code_type;
pub mod debug_offsets;
pub mod debug_offsets_order;
pub mod discovery;
#[cfg(test)]
pub mod forged;
pub mod forked;
pub mod gil;
pub mod inspect_error;
pub mod instance;
pub mod layout_row;
pub(crate) mod layout_rows;
pub mod layout_table;
pub mod line_table;
#[cfg(test)]
mod live_tests;
pub mod native_threads;
pub mod other_pythons;
pub mod runtime;
#[cfg(test)]
pub mod test_words;
pub mod text;
pub mod thread_names;
pub mod tls_slot;
pub mod version;
pub mod version_evidence;
