// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks whether the innermost frames of a chain belong to it yet, by where they lie on
//! the thread's data stack.
//!
//! In 3.11 and 3.12 `_PyEval_EvalFrameDefault` (Python/ceval.c) points `tstate->cframe`
//! to a structure on the C stack some instructions before it fills that structure; until
//! then the structure holds what an earlier call left there. In addition, a compiler may
//! store `cframe.current_frame` before the `previous` of the frame that it points to
//! (`CALL`). A thread interrupted at such a point seems to run a frame that is gone, or a
//! frame that was called by the caller of an earlier frame in the same place. Such a
//! chain looks whole, but none of its links is true.
//!
//! A true chain has three properties:
//! - The innermost frame on the data stack lies below `tstate->datastack_top`.
//! - Its caller ends where it begins, since they were pushed one after the other.
//! - The frame under which this evaluation began is the current frame of the evaluation
//!   around it, `cframe.previous->current_frame`.
//!
//! The last two are checked only for frames that have not run an instruction, and for
//! those that do not lie on the data stack (generators): all other frames have been
//! linked.

use crate::layout::{ABSENT, DataStackLayout, InterpreterLayout};
use crate::memory::{MemoryFault, UserMemory};
use crate::window::Window;

/// A chunk's first frame begins within this many bytes: after the three words of
/// `_PyStackChunk` and, in the first chunk, one word that is left out (`push_chunk`,
/// Python/pystate.c).
const FIRST_FRAME: u64 = 32;

/// The state of these checks during one walk.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct DataStack {
    /// `tstate->datastack_chunk`: where the current chunk begins.
    chunk: u64,
    /// `tstate->datastack_top`: where the next frame would be pushed.
    top: u64,
    /// `tstate->datastack_limit`: where the chunk ends.
    limit: u64,
    /// `cframe.previous`; 0 where there is none, which turns the checks off.
    outer_cframe: u64,
    /// Where the next caller on the data stack has to end; 0 where it may end anywhere.
    callee: u64,
    /// 1 until the frame under which the evaluation began has been checked.
    entry_is_open: u64,
}

/// A frame as [`DataStack::admits`] checks it.
#[derive(Clone, Copy)]
pub(crate) struct FramePlace {
    pub(crate) address: u64,
    /// Its size in bytes; 0 where its code object could not be read.
    pub(crate) size: u64,
    /// Whether it has not run an instruction yet.
    pub(crate) is_new: bool,
    pub(crate) is_innermost: bool,
}

impl DataStack {
    /// Returns a state with nothing to check.
    pub const fn zeroed() -> Self {
        Self {
            chunk: 0,
            top: 0,
            limit: 0,
            outer_cframe: 0,
            callee: 0,
            entry_is_open: 0,
        }
    }

    /// Begins a walk of a thread. `outer_cframe` is the structure of the evaluation that
    /// began the thread's current one; 0 for a layout without such structures.
    #[inline(always)]
    pub(crate) fn begin(&mut self, layout: &DataStackLayout, state: &Window, outer_cframe: u64) {
        self.outer_cframe = outer_cframe;
        self.callee = 0;
        self.entry_is_open = 0;
        if outer_cframe != 0 {
            let chunk = layout.datastack_chunk;
            self.chunk = state.u64_at(chunk);
            self.top = state.u64_at(chunk.wrapping_add(8));
            self.limit = state.u64_at(chunk.wrapping_add(16));
        }
    }

    /// Whether the next frame of the chain can be where it is.
    #[inline(always)]
    pub(crate) fn admits(&mut self, frame: FramePlace) -> bool {
        let is_here = self.chunk <= frame.address && frame.address < self.limit;
        let end = frame.address.wrapping_add(frame.size);
        if self.outer_cframe == 0 {
            return true;
        }
        if frame.is_innermost {
            if is_here {
                if end > self.top {
                    return false;
                }
                if !frame.is_new {
                    return true;
                }
                if frame.address.wrapping_sub(self.chunk) > FIRST_FRAME {
                    self.callee = frame.address;
                }
            }
            self.entry_is_open = 1;
            return true;
        }
        if self.callee == 0 || !is_here {
            return true;
        }
        let callee = self.callee;
        self.callee = 0;
        frame.size == 0 || end == callee
    }

    /// Whether the innermost frame has yet to be shown to belong to the chain.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.entry_is_open != 0
    }

    /// Whether the current evaluation can have begun under the frame at `previous`.
    #[inline(always)]
    pub(crate) fn admits_entry<M: UserMemory>(
        &mut self,
        memory: &M,
        layout: &InterpreterLayout,
        previous: u64,
    ) -> Result<bool, MemoryFault> {
        self.entry_is_open = 0;
        let offset = u64::from(layout.thread.cframe_current_frame);
        let current = memory.read_u64(self.outer_cframe.wrapping_add(offset))?;
        Ok(current == previous)
    }
}

/// Returns the size in bytes of a frame of the code object in the window.
#[inline(always)]
pub(crate) fn frame_size(layout: &DataStackLayout, code: &Window) -> u32 {
    let words = if layout.nlocalsplus == ABSENT {
        code.u32_at(layout.framesize)
    } else {
        let locals = code.u32_at(layout.nlocalsplus);
        let stack = code.u32_at(layout.framesize);
        let specials = u32::from(layout.specials);
        locals.wrapping_add(stack).wrapping_add(specials)
    };
    words.wrapping_mul(8)
}

#[cfg(test)]
mod tests;
