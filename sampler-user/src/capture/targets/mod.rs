// SPDX-License-Identifier: MIT OR Apache-2.0

//! The processes that are followed, and the configuration that the eBPF program has of
//! each.

mod discovery;
#[cfg(test)]
pub(crate) mod fake_tables;
pub mod followed;
pub mod followed_set;
mod generations;
mod kernel_table;
mod learning;
mod lifecycle;
mod pending;
pub mod process_filter;
pub mod programs;
mod reconciler;
pub mod registry;
pub mod skipped;
mod sweep;
pub mod target_scope;
