// SPDX-License-Identifier: MIT OR Apache-2.0

//! The counts that the eBPF programs keep for each life of each process, so that a sample
//! that never arrives is missed in the right process.

use bytemuck::{Pod, Zeroable};

/// The samples of one life of one process, as the eBPF programs counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct KernelAccount {
    /// Ticks that hit one of its threads, and its off-CPU threads that a pass set out to
    /// sample.
    pub taken: u64,
    /// Of these, samples dropped because the ring buffer was full.
    pub lost: u64,
    /// Of these, ticks while no interpreter of the process was known.
    pub without_interpreter: u64,
    /// Of these, samples given up: the kernel's record of the thread could not be read,
    /// or there was no memory for the sample.
    pub unreadable: u64,
}

impl KernelAccount {
    /// An account in which nothing has been counted.
    pub const ZERO: Self = Self {
        taken: 0,
        lost: 0,
        without_interpreter: 0,
        unreadable: 0,
    };
}

const _: () = assert!(size_of::<KernelAccount>() == 32);
