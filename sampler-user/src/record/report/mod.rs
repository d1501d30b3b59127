// SPDX-License-Identifier: MIT OR Apache-2.0

//! The closing summary: what was sampled, what was lost, and why.

pub mod cpu_changes;
pub mod scan_counts;
pub mod summary;
pub mod summary_text;
