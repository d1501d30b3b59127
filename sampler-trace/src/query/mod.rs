// SPDX-License-Identifier: MIT OR Apache-2.0

//! What readers of a trace ask for: a view of it, filters of rows, sums by stack, function
//! and thread.

pub mod aggregate;
pub mod filter;
pub mod functions;
pub(crate) mod labels;
pub(crate) mod unique_ids;
pub(crate) mod used;
pub mod view;
