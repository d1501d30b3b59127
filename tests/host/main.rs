//! Tests that need no rights and no Python.

mod container;
mod golden;
mod hostile;
mod original_page;
mod round_trip;
mod sample_trace;
mod speed;
