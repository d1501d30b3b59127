// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells which thread state holds the GIL of each interpreter of a process.

use sampler_common::layout::ABSENT;
use sampler_common::memory::{MemoryFault, UserMemory};
use sampler_common::process::GilPlace;

use crate::cpython::instance::Instance;

/// Offset of `last_holder` in `struct _gil_runtime_state` (Include/internal/pycore_gil.h,
/// the same from 3.7 to 3.15): after `interval` and before `locked`.
const LAST_HOLDER: u64 = 8;
/// Bytes before all other fields in free-threaded builds: `enabled`, and padding.
const ENABLED: u64 = 8;

/// Who holds the GIL at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GilHolders {
    /// The addresses of the thread states that hold one: at most one, unless interpreters
    /// have their own GIL.
    Held(Vec<u64>),
    /// There is no GIL, or none that is known. A free-threaded build can turn it on and
    /// off.
    NoGil,
}

impl Instance {
    /// Reads who holds the GIL now. A thread that has just taken it but not yet recorded
    /// that is not seen; its predecessor is.
    ///
    /// # Errors
    /// [`MemoryFault`] when the process cannot be read.
    pub fn gil_holders(&self, memory: &impl UserMemory) -> Result<GilHolders, MemoryFault> {
        let tstate_current = self.runtime.layout.runtime.tstate_current;
        if tstate_current != ABSENT {
            // `tstate_current` is null while nobody holds the GIL (to 3.11).
            let at = self.runtime_address.wrapping_add(tstate_current.into());
            let holder = memory.read_u64(at)?;
            let holders = (holder != 0).then_some(holder).into_iter().collect();
            return Ok(GilHolders::Held(holders));
        }
        let GilPlace { offset, is_pointer } = self.runtime.gil;
        if offset == 0 {
            return Ok(GilHolders::NoGil);
        }
        let mut gils = Vec::new();
        if is_pointer == 0 {
            gils.push(self.runtime_address.wrapping_add(offset.into()));
        } else {
            for interpreter in self.interpreters(memory) {
                gils.push(memory.read_u64(interpreter.wrapping_add(offset.into()))?);
            }
        }
        gils.sort_unstable();
        gils.dedup();
        // An interpreter that is being created has no GIL yet.
        gils.retain(|gil| *gil != 0);
        if self.runtime.version.free_threaded {
            gils = enabled(memory, &gils)?;
            if gils.is_empty() {
                return Ok(GilHolders::NoGil);
            }
        }
        let mut holders = Vec::new();
        for gil in gils {
            holders.extend(holder(memory, gil)?);
        }
        Ok(GilHolders::Held(holders))
    }
}

/// Returns the GILs of a free-threaded build that are enabled, past their `enabled`
/// field, so that they read like those of other builds.
fn enabled(memory: &impl UserMemory, gils: &[u64]) -> Result<Vec<u64>, MemoryFault> {
    let mut used = Vec::new();
    for gil in gils {
        if memory.read_u64(*gil)? as u32 != 0 {
            used.push(gil.wrapping_add(ENABLED));
        }
    }
    Ok(used)
}

fn holder(memory: &impl UserMemory, gil: u64) -> Result<Option<u64>, MemoryFault> {
    let mut words = [0; 16];
    memory.read_bytes(gil.wrapping_add(LAST_HOLDER), &mut words)?;
    let (words, _) = words.as_chunks::<8>();
    let &[last_holder, locked] = words else {
        return Ok(None);
    };
    // `locked` is an int: -1 before the GIL is made, 0 or 1 later.
    let is_locked = u64::from_le_bytes(locked) as u32 == 1;
    let last_holder = u64::from_le_bytes(last_holder);
    Ok((is_locked && last_holder != 0).then_some(last_holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `interval`, `last_holder`, and `locked` with its neighbour.
    struct Gil([u64; 3]);

    impl UserMemory for Gil {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            let bytes: &[u8] = bytemuck::cast_slice(&self.0);
            let end = address as usize + destination.len();
            let wanted = bytes.get(address as usize..end);
            destination.copy_from_slice(wanted.ok_or(MemoryFault { address })?);
            Ok(())
        }
    }

    #[test]
    fn a_gil_that_is_turned_off_counts_for_none() {
        let used = |enabled| super::enabled(&Gil([enabled, 5000, 0x1234]), &[0]);
        assert_eq!(used(0), Ok(vec![]));
        assert_eq!(used(0xffff_ffff_0000_0000), Ok(vec![]));
        assert_eq!(used(1), Ok(vec![ENABLED]));
        assert!(super::enabled(&Gil([1; 3]), &[24]).is_err());
    }

    #[test]
    fn the_last_holder_counts_while_it_is_locked() {
        let told = |locked| holder(&Gil([5000, 0x1234, locked]), 0);
        assert_eq!(told(1), Ok(Some(0x1234)));
        assert_eq!(told(0xffff_ffff_0000_0001), Ok(Some(0x1234)));
        assert_eq!(told(0), Ok(None));
        assert_eq!(told(u64::MAX), Ok(None));
        assert_eq!(holder(&Gil([5000, 0, 1]), 0), Ok(None));
        assert!(holder(&Gil([0; 3]), 16).is_err());
    }
}
