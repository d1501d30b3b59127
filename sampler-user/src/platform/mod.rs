// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the program needs of Linux: rights, the sandbox, child processes, output files,
//! timers and threads that may hang.

pub mod alarm;
pub mod delivery;
pub mod desktop;
pub mod launch;
pub mod left_behind;
pub mod outfile;
pub mod outfile_error;
pub mod patient;
pub mod privileges;
pub mod sandbox;
#[cfg(test)]
pub(crate) mod tempdir;
