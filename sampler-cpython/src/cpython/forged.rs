// SPDX-License-Identifier: MIT OR Apache-2.0

//! Made-up memory of a process for tests, which can change while it is read.

use std::cell::{Cell, RefCell};

use sampler_common::memory::{MemoryFault, UserMemory};

/// One readable range of addresses.
pub(crate) struct ForgedMemory {
    start: u64,
    bytes: RefCell<Vec<u8>>,
    reads: Cell<u32>,
    later: Option<Later>,
}

/// A change that happens after this many reads.
struct Later {
    reads: u32,
    address: u64,
    bytes: Vec<u8>,
}

impl ForgedMemory {
    /// Makes memory of `size` zeros from `start`.
    pub(crate) fn new(start: u64, size: usize) -> Self {
        Self {
            start,
            bytes: RefCell::new(vec![0; size]),
            reads: Cell::new(0),
            later: None,
        }
    }

    /// Writes `bytes` to `address`.
    pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) {
        self.write(address, bytes);
    }

    /// Writes `bytes` to `address` once `reads` reads have been done.
    pub(crate) fn put_after(&mut self, reads: u32, address: u64, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.later = Some(Later {
            reads,
            address,
            bytes,
        });
    }

    /// Returns how often it was read so far.
    pub(crate) fn reads(&self) -> u32 {
        self.reads.get()
    }

    fn write(&self, address: u64, bytes: &[u8]) {
        let from = (address - self.start) as usize;
        self.bytes.borrow_mut()[from..from + bytes.len()].copy_from_slice(bytes);
    }
}

impl UserMemory for ForgedMemory {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        if let Some(later) = &self.later
            && later.reads == self.reads.get()
        {
            self.write(later.address, &later.bytes);
        }
        self.reads.set(self.reads.get() + 1);
        let fault = MemoryFault { address };
        let from = address.checked_sub(self.start).ok_or(fault)? as usize;
        let bytes = self.bytes.borrow();
        let source = bytes
            .get(from..)
            .and_then(|rest| rest.get(..destination.len()))
            .ok_or(fault)?;
        destination.copy_from_slice(source);
        Ok(())
    }
}
