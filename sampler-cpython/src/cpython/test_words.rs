// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory of which some words are known, for tests of code that follows pointers.

use std::collections::HashMap;

use sampler_common::memory::{MemoryFault, UserMemory};

/// Words by their addresses; all else cannot be read.
pub(super) struct Words(pub(super) HashMap<u64, u64>);

impl UserMemory for Words {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        let word = self.0.get(&address).ok_or(MemoryFault { address })?;
        destination.copy_from_slice(&word.to_ne_bytes());
        Ok(())
    }
}
