// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests that need neither privileges nor Python.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod book;
mod container;
mod formats;
mod golden;
mod hostile;
mod html;
mod original_page;
mod report;
mod round_trip;
mod sample_trace;
mod service;
mod speed;
mod synthetic;
mod top;
mod weights;
