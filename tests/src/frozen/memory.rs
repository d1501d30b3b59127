// SPDX-License-Identifier: MIT OR Apache-2.0

//! The memory of a frozen process, intact or damaged in one place.

use std::cell::Cell;
use std::ops::Range;

use sampler_common::memory::{MemoryFault, UserMemory};

use super::file::FrozenRead;

/// Memory that was read, in pieces that do not touch.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Recorded {
    /// Joins reads that overlap or touch.
    pub fn new(reads: &[FrozenRead]) -> Self {
        let mut sorted: Vec<&FrozenRead> = reads.iter().collect();
        sorted.sort_by_key(|read| read.address);
        let mut pieces: Vec<(u64, Vec<u8>)> = Vec::new();
        for read in sorted {
            match pieces.last_mut() {
                Some((start, bytes)) if read.address <= *start + bytes.len() as u64 => {
                    let known = *start + bytes.len() as u64 - read.address;
                    bytes.extend(read.bytes.iter().skip(known as usize));
                }
                _ => pieces.push((read.address, read.bytes.clone())),
            }
        }
        Self { pieces }
    }

    fn copy(&self, address: u64, destination: &mut [u8]) -> Option<()> {
        let behind = self.pieces.partition_point(|(start, _)| *start <= address);
        let (start, bytes) = self.pieces.get(behind.checked_sub(1)?)?;
        let offset = usize::try_from(address - start).ok()?;
        let end = offset.checked_add(destination.len())?;
        destination.copy_from_slice(bytes.get(offset..end)?);
        Some(())
    }
}

/// How the memory differs from what was recorded.
#[derive(Clone, Debug)]
pub enum Damage {
    /// Not at all.
    None,
    /// Every read that touches these bytes fails.
    Unreadable(Range<u64>),
    /// Other bytes are in this place.
    Changed {
        /// The address of the first byte.
        address: u64,
        /// The new bytes.
        bytes: Vec<u8>,
    },
}

/// A [`Recorded`] memory with at most one [`Damage`].
#[derive(Clone, Debug)]
pub struct FrozenMemory<'recorded> {
    recorded: &'recorded Recorded,
    damage: Damage,
    reads: Cell<u64>,
}

impl<'recorded> FrozenMemory<'recorded> {
    /// Returns the memory with `damage`.
    pub fn new(recorded: &'recorded Recorded, damage: Damage) -> Self {
        Self {
            recorded,
            damage,
            reads: Cell::new(0),
        }
    }

    /// The number of reads so far.
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }
}

impl UserMemory for FrozenMemory<'_> {
    fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
        self.reads.set(self.reads.get() + 1);
        let fault = MemoryFault { address };
        let end = address.checked_add(destination.len() as u64).ok_or(fault)?;
        match &self.damage {
            Damage::Unreadable(hole) if address < hole.end && hole.start < end => Err(fault),
            Damage::Changed { address: at, bytes } => {
                self.recorded.copy(address, destination).ok_or(fault)?;
                for (place, byte) in (*at..).zip(bytes) {
                    if let Some(byte_there) = place
                        .checked_sub(address)
                        .and_then(|offset| destination.get_mut(offset as usize))
                    {
                        *byte_there = *byte;
                    }
                }
                Ok(())
            }
            _ => self.recorded.copy(address, destination).ok_or(fault),
        }
    }
}
