// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the program needs of the system: standard error and the log and, on Linux, rights,
//! the sandbox, child processes, output files, timers and threads that may hang. Elsewhere
//! it only reads traces, and `portable` has all that this needs.

pub mod abandoned_threads;
#[cfg(target_os = "linux")]
pub mod alarm;
#[cfg(target_os = "linux")]
pub mod blocking_worker;
pub mod console;
pub mod delivery;
#[cfg(target_os = "linux")]
pub mod desktop;
#[cfg(target_os = "linux")]
pub mod full_pipe;
#[cfg(target_os = "linux")]
pub mod journal;
#[cfg(target_os = "linux")]
pub mod launch;
pub mod log;
#[cfg(target_os = "linux")]
pub mod outfile;
pub mod outfile_error;
// Its tests run on Linux as well.
#[cfg(any(test, not(target_os = "linux")))]
pub mod portable;
#[cfg(not(target_os = "linux"))]
pub use portable::{desktop, full_pipe, outfile, privileges};
#[cfg(target_os = "linux")]
pub mod privileges;
#[cfg(target_os = "linux")]
pub mod sandbox;
#[cfg(test)]
pub(crate) mod tempdir;
