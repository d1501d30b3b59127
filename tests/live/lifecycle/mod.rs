// SPDX-License-Identifier: MIT OR Apache-2.0

//! Processes that begin and end while they are recorded.

mod children;
mod many_processes;
mod short_lived;
mod targets_gone;
