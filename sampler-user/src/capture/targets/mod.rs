// SPDX-License-Identifier: MIT OR Apache-2.0

//! The processes that are followed, and the configuration that the eBPF program has of
//! each.

pub mod choice;
pub mod followed;
mod lives;
mod pending;
mod programs;
pub mod selection;
mod skipped;
mod sweep;
pub mod table;
