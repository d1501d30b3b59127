// SPDX-License-Identifier: MIT OR Apache-2.0

//! Samples real processes as a user would, with the program in `PYEBPF_BIN`,
//! and compares what it shows with what their scripts are known to do. Needs
//! root and BPF: where there is neither, `cargo xtask test` leaves the tests
//! ignored. By hand, `--include-ignored` runs them.
//!
//! A test waits for a line that a script or the profiler prints. Scripts are in
//! `scripts`; they run in every interpreter found. Each folder is one subject, and
//! `support` has what several of them share.

mod support;

mod account;
mod code;
mod commands;
mod containers;
mod field;
mod interpreters;
mod kernel;
mod lifecycle;
mod outputs;
mod robustness;
mod serve;
mod stacks;
mod threads;
mod time;
mod wall;
