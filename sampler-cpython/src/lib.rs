// SPDX-License-Identifier: MIT OR Apache-2.0

//! CPython processes as seen from outside: which interpreter a process runs, where that
//! interpreter keeps its data, the names of its code objects, and the stacks of its
//! waiting threads.
//!
//! ```
//! use sampler_cpython::cpython::discovery::Discovery;
//! use sampler_cpython::cpython::inspect_error::InspectError;
//!
//! // A program in Rust; for a Python, this is its `Instance`, with version and layout.
//! let pid = std::process::id();
//! let found = Discovery::new().inspect(pid);
//! assert!(matches!(found, Err(InspectError::NotPython { pid: it }) if it == pid));
//! ```

pub mod cpython;
pub mod process;
pub mod remote;
