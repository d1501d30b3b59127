// SPDX-License-Identifier: MIT OR Apache-2.0

//! Samples every CPython process of a host from the kernel, and writes a timeline of what
//! it saw. `ARCHITECTURE.md` follows one sample from the interrupt to the file, and names
//! each module on the way.
//!
//! The program parses its command line and runs one command:
//!
//! ```
//! use clap::Parser;
//! use sampler_user::cli::arguments::{CommandLine, Command};
//!
//! let line = CommandLine::parse_from(["pyebpf", "report", "night.pyebpf"]);
//! assert!(matches!(line.into_command(), Command::Report(_)));
//! ```

#[cfg(target_os = "linux")]
pub mod capture;
pub mod cli;
pub mod commands;
#[cfg(target_os = "linux")]
pub mod dump;
pub mod platform;
#[cfg(target_os = "linux")]
pub mod record;
#[cfg(target_os = "linux")]
pub mod serve;
