// SPDX-License-Identifier: MIT OR Apache-2.0

//! How the walker reads a process: one trait, implemented by the interrupted task in the
//! kernel, by a remote process in user space, and by recordings in tests.

/// A read of the target's memory that failed.
///
/// The address may be unmapped, paged out (a BPF program in interrupt context cannot
/// fault pages in) or garbage; the reader cannot tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFault {
    /// First byte of the read that failed.
    pub address: u64,
}

/// What a step of a bounded loop asks for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another step, if the bound allows it.
    Continue,
    /// No more steps.
    Stop,
}

/// The body of a bounded loop: a value rather than a closure, because an eBPF program
/// hands it to the `bpf_loop` helper as a context pointer.
///
/// Numbers that change from step to step belong in memory that the step borrows, not in
/// the value itself: the verifier follows every distinct value that it sees on the stack.
pub trait Step {
    /// Does one step.
    fn step(&mut self) -> Next;
}

/// Memory of one process, as seen by the code that walks it.
pub trait UserMemory {
    /// Fills `destination` from `address`. After an error its content is unspecified.
    ///
    /// # Errors
    /// [`MemoryFault`] when any byte cannot be read.
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault>;

    /// Reads one native-endian 64-bit word.
    ///
    /// # Errors
    /// [`MemoryFault`] when any of its bytes cannot be read.
    #[inline(always)]
    fn read_u64(&self, address: u64) -> Result<u64, MemoryFault> {
        let mut bytes = [0; 8];
        self.read_bytes(address, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Runs `step` until it stops or `limit` steps are done.
    ///
    /// The eBPF programs replace this plain loop by `bpf_loop` (Linux 5.17), which the
    /// verifier checks once instead of once per step.
    #[inline(always)]
    fn repeat<S: Step>(&self, limit: u32, step: &mut S) {
        for _ in 0..limit {
            if step.step() == Next::Stop {
                return;
            }
        }
    }
}
