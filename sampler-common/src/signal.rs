// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wire record of a signal that can end a followed process, and of its choice by the
//! out-of-memory killer.

use bytemuck::{Pod, Zeroable};

use crate::process::ProcessKey;
use crate::sample::Comm;

/// What was done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SignalOrigin {
    /// A process sent the signal; `sender` is the one.
    Process = 1,
    /// The kernel sent it, for example for an access to memory that is not there. Then
    /// `sender` is the process that ran.
    Kernel = 2,
    /// The out-of-memory killer has chosen the process; `sender` is the process that asked
    /// for memory.
    OutOfMemory = 3,
}

impl SignalOrigin {
    /// Reads an origin off the wire; `None` for a number that none has.
    pub fn from_wire(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Process),
            2 => Some(Self::Kernel),
            3 => Some(Self::OutOfMemory),
            _ => None,
        }
    }
}

/// `SIGABRT` of every architecture but the two that pyebpf does not know.
pub const SIGABRT: u32 = 6;
/// `SIGKILL`.
pub const SIGKILL: u32 = 9;
/// `SIGSEGV`.
pub const SIGSEGV: u32 = 11;

/// Whether a signal is reported.
pub fn is_reported(signal: u32) -> bool {
    matches!(signal, SIGABRT | SIGKILL | SIGSEGV)
}

/// A signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SignalRecord {
    /// [`crate::sample::RecordKind::Signal`].
    pub kind: u32,
    /// Its number.
    pub signal: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds.
    pub time: u64,
    /// The life of the process that it was sent to.
    pub key: ProcessKey,
    /// Thread group id of that process.
    pub tgid: u32,
    /// A [`SignalOrigin`].
    pub origin: u32,
    /// Thread group id of the sender; 0 if it is in none of our pid namespaces.
    pub sender: u32,
    /// Always 0.
    pub padding: u32,
    /// The kernel's name of the sending thread.
    pub comm: Comm,
}

const _: () = assert!(size_of::<SignalRecord>() == 56);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_off_the_wire_are_checked() {
        for origin in [
            SignalOrigin::Process,
            SignalOrigin::Kernel,
            SignalOrigin::OutOfMemory,
        ] {
            assert_eq!(SignalOrigin::from_wire(origin as u32), Some(origin));
        }
        assert_eq!(SignalOrigin::from_wire(0), None);
        assert_eq!(SignalOrigin::from_wire(4), None);
        assert!(is_reported(SIGKILL) && !is_reported(15) && !is_reported(0));
    }
}
