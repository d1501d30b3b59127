// SPDX-License-Identifier: MIT OR Apache-2.0

//! Copies the frames of a thread, several at a time where they lie side by side. The
//! copies are good for one walk.
//!
//! From 3.11 the frames of a thread are pushed one above the other on its data stack
//! (`_PyThreadState_PushFrame`, `Python/pystate.c`), so that a block below one frame
//! usually holds its callers. Between them a chain visits frames that lie elsewhere:
//! entry frames on the C stack, those of generators on the heap. Nothing useful surrounds
//! these, so they are copied alone, to a place where they do not overwrite the block.

use crate::memory::{MemoryFault, UserMemory};

const WORDS: usize = 512;
/// Bytes of a block: about thirty frames of usual size.
const BLOCK: u64 = 3840;
/// Where in the copy a frame that is copied alone begins: after the block.
const ALONE: u64 = BLOCK;
/// Bytes of a page. A block does not reach below the page that its frame begins in: a
/// chunk of the data stack begins at a page, and the memory before it may not be mapped.
const PAGE: u64 = 4096;
/// How far below a frame on the data stack its caller is looked for, in bytes.
const NEAR: u64 = 4096;

/// A copy of one frame, and perhaps of others near it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct FrameWindow {
    words: [u64; WORDS],
    /// Address of the first byte of the block.
    start: u64,
    /// Address after the last byte of the block; 0 when there is none.
    end: u64,
    /// Address of the frame that was last copied alone.
    alone: u64,
    /// Where the current frame begins in the copy, in bytes; a multiple of eight.
    base: u64,
}

impl FrameWindow {
    /// An empty window.
    pub const fn zeroed() -> Self {
        Self {
            words: [0; WORDS],
            start: 0,
            end: 0,
            alone: 0,
            base: 0,
        }
    }

    /// Forgets everything, since the thread has run.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        self.alone = 0;
    }

    /// Makes the frame at `address`, of which `size` bytes are needed, the current one.
    /// With `in_blocks`, copies it together with what lies below it.
    ///
    /// # Errors
    /// [`MemoryFault`] when the frame itself cannot be read.
    #[inline(always)]
    pub fn load<M: UserMemory>(
        &mut self,
        memory: &M,
        address: u64,
        size: u16,
        in_blocks: bool,
    ) -> Result<(), MemoryFault> {
        if in_blocks && address.is_multiple_of(8) {
            let end = address.wrapping_add(u64::from(size));
            if address >= self.start && end <= self.end && address < end {
                self.base = address - self.start;
                return Ok(());
            }
            if self.continues(address) && self.copy_block(memory, address, end) {
                return Ok(());
            }
        }
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words);
        let room = bytes.get_mut(ALONE as usize..);
        let Some(wanted) = room.and_then(|room| room.get_mut(..usize::from(size))) else {
            return Err(MemoryFault { address });
        };
        memory.read_bytes(address, wanted)?;
        self.alone = address;
        self.base = ALONE;
        Ok(())
    }

    /// Whether a frame is where the caller of a frame on the data stack would be. The
    /// innermost frame is assumed to be on the data stack.
    #[inline(always)]
    fn continues(&self, address: u64) -> bool {
        let below = |other: u64| other.wrapping_sub(address) <= NEAR;
        self.end == 0 || below(self.start) || below(self.alone)
    }

    /// Copies the block that ends with the frame. Returns false when it cannot be read.
    #[inline(always)]
    fn copy_block<M: UserMemory>(&mut self, memory: &M, address: u64, end: u64) -> bool {
        let page = address & !(PAGE - 1);
        let below = end.saturating_sub(BLOCK);
        let start = if below > page { below } else { page };
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words);
        let size = end.wrapping_sub(start) as usize;
        let Some(wanted) = bytes.get_mut(..size) else {
            return false;
        };
        if size > BLOCK as usize || memory.read_bytes(start, wanted).is_err() {
            self.end = 0;
            return false;
        }
        self.start = start;
        self.end = end;
        self.base = address - start;
        true
    }

    /// The 8-byte-aligned word of the current frame that holds `offset`.
    #[inline(always)]
    pub fn u64_at(&self, offset: u16) -> u64 {
        self.words[(self.base as usize).wrapping_add(usize::from(offset)) / 8 % WORDS]
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
    use core::cell::Cell;

    /// Every byte is the low byte of its address; nothing is mapped below `first`.
    struct Mapped {
        first: u64,
        reads: Cell<u32>,
    }

    impl UserMemory for Mapped {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            self.reads.set(self.reads.get() + 1);
            if address < self.first {
                return Err(MemoryFault { address });
            }
            for (offset, byte) in destination.iter_mut().enumerate() {
                *byte = address.wrapping_add(offset as u64) as u8;
            }
            Ok(())
        }
    }

    fn load(window: &mut FrameWindow, memory: &Mapped, address: u64) -> u8 {
        window
            .load(memory, address, 80, true)
            .expect("it is mapped");
        window.u8_at(3)
    }

    #[test]
    fn callers_below_come_with_a_frame() {
        let memory = Mapped {
            first: 0x6000,
            reads: Cell::new(0),
        };
        let mut window = FrameWindow::zeroed();
        for address in [0x7c00, 0x7b80, 0x7b00, 0x7000] {
            assert_eq!(load(&mut window, &memory, address), address as u8 + 3);
        }
        assert_eq!(memory.reads.get(), 1);
        let in_the_page_below = load(&mut window, &memory, 0x6f80);
        assert_eq!(in_the_page_below, 0x83);
        assert_eq!(memory.reads.get(), 2);
        window.clear();
        load(&mut window, &memory, 0x6f80);
        assert_eq!(memory.reads.get(), 3, "nothing is remembered");
    }

    #[test]
    fn a_frame_elsewhere_leaves_the_block_as_it_is() {
        let memory = Mapped {
            first: 0x1000,
            reads: Cell::new(0),
        };
        let mut window = FrameWindow::zeroed();
        for address in [0x7c00, 0x7ff0_0010, 0x7b80, 0x7ff0_0110, 0x1_2000, 0x7000] {
            assert_eq!(load(&mut window, &memory, address), address as u8 + 3);
        }
        assert_eq!(memory.reads.get(), 4, "the block and three frames alone");
        // In another chunk of the data stack, the second frame brings the rest.
        for address in [0x5_0800, 0x5_0700, 0x5_0600, 0x5_0000] {
            assert_eq!(load(&mut window, &memory, address), address as u8 + 3);
        }
        assert_eq!(memory.reads.get(), 6);
    }

    #[test]
    fn a_frame_alone_is_read_where_its_surroundings_cannot_be() {
        let memory = Mapped {
            first: 0x7100,
            reads: Cell::new(0),
        };
        let mut window = FrameWindow::zeroed();
        assert_eq!(load(&mut window, &memory, 0x7120), 0x23);
        assert!(window.load(&memory, 0x7000, 80, true).is_err());
        let around_the_end = window.load(&memory, u64::MAX - 7, 80, true);
        assert!(
            around_the_end.is_ok(),
            "it is for the memory to refuse that"
        );
        let too_large = window.load(&memory, 0x7120, 257, false);
        assert!(too_large.is_err());
    }
}
