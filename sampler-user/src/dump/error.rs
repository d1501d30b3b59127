// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why there is no dump.

use sampler_cpython::cpython::inspect_error::InspectError;
use sampler_cpython::process::namespace::NamespaceError;

/// Why there is no dump.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The process cannot be inspected.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// Process ids cannot be relied on.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// It ended before anything of it was seen.
    #[error("process {pid} ended while it was being read")]
    Ended {
        /// The process.
        pid: u32,
    },
    /// A worker thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
