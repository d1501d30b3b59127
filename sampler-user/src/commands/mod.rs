// SPDX-License-Identifier: MIT OR Apache-2.0

//! The commands of the program: which one runs, and those that record nothing.

pub mod convert;
#[cfg(target_os = "linux")]
pub mod ctl;
pub mod dispatch;
#[cfg(target_os = "linux")]
pub mod doctor;
#[cfg(any(test, not(target_os = "linux")))]
pub mod needs_linux;
#[cfg(not(target_os = "linux"))]
pub use needs_linux as host;
pub mod exit_status;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
pub mod ps;
mod standard_output;
pub mod top;
pub mod view;
