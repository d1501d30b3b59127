//! What the kernel side counts of one life of one process, so that a sample that
//! never arrives is missed in the right place. It refuses to know who adds it up.

use bytemuck::{Pod, Zeroable};

/// The samples of one life of one process, as the kernel side saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct KernelAccount {
    /// Ticks that hit a thread of it, and threads of it off CPU that a pass
    /// looked into.
    pub taken: u64,
    /// Of these, samples that found the ring buffer full.
    pub lost: u64,
    /// Of these, ticks while no interpreter of it was known.
    pub without_interpreter: u64,
    /// Of these, threads whose record in the kernel could not be read.
    pub unreadable: u64,
}

impl KernelAccount {
    /// Nothing was counted yet.
    pub const ZERO: Self = Self {
        taken: 0,
        lost: 0,
        without_interpreter: 0,
        unreadable: 0,
    };
}

const _: () = assert!(size_of::<KernelAccount>() == 32);
