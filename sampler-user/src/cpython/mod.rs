//! All knowledge of CPython's versions: where things lie and how they are
//! encoded. It refuses to know the kernel side.

mod code_count;
pub mod code_object;
mod code_type;
pub mod debug_offsets;
pub(crate) mod debug_offsets_order;
pub mod discovery;
#[cfg(test)]
mod forged;
pub mod gil;
pub mod instance;
pub(crate) mod layout_rows;
pub mod layout_table;
pub mod line_table;
#[cfg(test)]
mod live_tests;
pub mod native_threads;
mod other_pythons;
pub mod refusal;
pub mod runtime;
pub mod text;
pub mod thread_names;
pub(crate) mod tls_slot;
pub mod version;
pub mod version_evidence;
