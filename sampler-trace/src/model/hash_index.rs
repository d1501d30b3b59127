// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the number of an entry by its content, with four bytes a slot. The caller holds
//! the entries, compares them and hashes them.

/// Marks a free slot. Numbers stay below it: no table has 2^32 entries.
const FREE: u32 = u32::MAX;

/// An open-addressed hash table of numbers.
#[derive(Debug, Default)]
pub(super) struct HashIndex {
    slots: Vec<u32>,
    used: usize,
}

impl HashIndex {
    /// Returns the number whose entry has this hash and for which `equal` holds.
    pub(super) fn find(&self, hash: u64, equal: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        // At least a quarter of the slots is free, so the search ends.
        loop {
            match self.slots.get(at).copied() {
                None | Some(FREE) => return None,
                Some(number) if equal(number) => return Some(number),
                Some(_) => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a number that is not in the table. `hash_of` returns the hash of any number
    /// added before; it is called when the table grows.
    pub(super) fn insert(&mut self, number: u32, hash: u64, hash_of: impl Fn(u32) -> u64) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let larger = (self.slots.len() * 2).max(64);
            let old = std::mem::replace(&mut self.slots, vec![FREE; larger]);
            for known in old.into_iter().filter(|&slot| slot != FREE) {
                self.place(known, hash_of(known));
            }
        }
        self.place(number, hash);
        self.used += 1;
    }

    fn place(&mut self, number: u32, hash: u64) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots.get_mut(at) {
                Some(slot) if *slot == FREE => {
                    *slot = number;
                    return;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }
}
