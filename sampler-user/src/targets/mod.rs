// SPDX-License-Identifier: MIT OR Apache-2.0

//! The processes that are followed, and the configuration that the eBPF program has of
//! each.

mod choice;
mod followed;
mod lives;
mod pending;
mod programs;
mod refusals;
mod selection;
mod sweep;
mod table;

pub use choice::Choice;
pub use followed::FollowedProcess;
pub use refusals::Refusals;
pub use selection::Selection;
pub use table::{TargetError, Targets};
