// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line: the arguments that clap reads, and the configuration that a command
//! gets once they are checked.

pub mod arguments;
pub mod config;
pub mod config_file;
pub mod values;
