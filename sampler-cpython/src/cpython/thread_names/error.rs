// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why the names of a process's threads cannot be read.

use sampler_common::memory::MemoryFault;

use crate::cpython::text::TextError;

/// Why the names of a process's threads cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThreadNamesError {
    /// The memory is not mapped, or no longer.
    #[error("the names of the threads cannot be read: no memory at {address:#x}")]
    Unreadable {
        /// Where the read failed.
        address: u64,
    },
    /// The memory does not hold what CPython would have put there: the layout is wrong
    /// for this build, or the process changed it during the read.
    #[error("the names of the threads cannot be read: {address:#x} holds something else")]
    Unexpected {
        /// Address of the object.
        address: u64,
    },
    /// A name is not text.
    #[error("the names of the threads cannot be read")]
    Text {
        /// What is wrong.
        source: TextError,
    },
    /// There is more to read than any program can need.
    #[error("the names of the threads cannot be read: there are too many objects")]
    TooMuch,
    /// The process kept changing it, at every attempt; a later read may succeed.
    #[error("the names of the threads change too fast to be read, at {address:#x}")]
    Changed {
        /// Address of the dict or keys that changed.
        address: u64,
    },
}

pub(super) fn unreadable(fault: MemoryFault) -> ThreadNamesError {
    ThreadNamesError::Unreadable {
        address: fault.address,
    }
}
