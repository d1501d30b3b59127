// SPDX-License-Identifier: MIT OR Apache-2.0

//! A small buffer that a structure of the target is copied into and read from by offset.
//! Offsets outside it wrap around instead of failing, since layouts are checked before
//! they get here.

use crate::memory::{MemoryFault, UserMemory};

/// Bytes a [`Window`] holds.
pub const WINDOW_SIZE: usize = 512;
const WORDS: usize = WINDOW_SIZE / 8;

/// The first bytes of one structure of the target process.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Window {
    words: [u64; WORDS],
}

impl Window {
    /// A window of zeros.
    pub const fn zeroed() -> Self {
        Self { words: [0; WORDS] }
    }

    /// Copies `size` bytes (at most [`WINDOW_SIZE`]) from `address`.
    ///
    /// # Errors
    /// [`MemoryFault`] when the bytes cannot be read; the window's content is
    /// then unspecified.
    #[inline(always)]
    pub fn load<M: UserMemory>(
        &mut self,
        memory: &M,
        address: u64,
        size: u16,
    ) -> Result<(), MemoryFault> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words);
        match bytes.get_mut(..usize::from(size)) {
            Some(wanted) => memory.read_bytes(address, wanted),
            None => Err(MemoryFault { address }),
        }
    }

    /// The 8-byte-aligned word that holds `offset`.
    #[inline(always)]
    pub fn u64_at(&self, offset: u16) -> u64 {
        self.words[usize::from(offset) / 8 % WORDS]
    }

    /// The 4-byte-aligned half word that holds `offset`.
    #[inline(always)]
    pub fn u32_at(&self, offset: u16) -> u32 {
        (self.u64_at(offset) >> (u32::from(offset & 4) * 8)) as u32
    }

    /// The byte at `offset`.
    #[inline(always)]
    pub fn u8_at(&self, offset: u16) -> u8 {
        (self.u64_at(offset) >> (u32::from(offset & 7) * 8)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl UserMemory for Counting {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            for (offset, byte) in destination.iter_mut().enumerate() {
                *byte = (address as usize + offset) as u8;
            }
            Ok(())
        }
    }

    #[test]
    fn reads_fields_where_they_are() {
        let mut window = Window::zeroed();
        window.load(&Counting, 0, 128).expect("inside the window");
        assert_eq!(window.u8_at(69), 69);
        assert_eq!(window.u32_at(68), u32::from_le_bytes([68, 69, 70, 71]));
        assert_eq!(
            window.u64_at(8),
            u64::from_le_bytes([8, 9, 10, 11, 12, 13, 14, 15])
        );
    }

    #[test]
    fn refuses_more_than_it_holds() {
        assert!(Window::zeroed().load(&Counting, 0, 513).is_err());
    }
}
