//! What walks remember of the code objects that they have read: a small table
//! that its walker has for itself. It refuses to trust an address: a code object
//! is remembered only while the interpreter's own count says that no other can
//! have taken its place.
//!
//! From 3.12 there is such a count. Every new code object and some functions take
//! a number from it (`init_code`, Objects/codeobject.c): the static
//! `_Py_next_func_version` (3.12) or the interpreter's `func_state.next_version`
//! (3.13). While it stands still no code object has been made. From 3.14 it is
//! `_code_object_generation`, which counts those that were freed. Either way, a code object that a frame
//! runs now, at an address that one was read from at the same count, is that one.
//! The count is read before the code object; what changes later only makes the
//! next walk forget.

use crate::fingerprint::mix;
use crate::memory::UserMemory;
use crate::process::ProcessConfig;
use crate::sample::CodeKey;
use crate::window::Window;

/// Code objects in a table; a power of two.
pub const ENTRIES: usize = 512;

/// What is remembered of one code object.
#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    /// Mix of process, interpreter and count.
    epoch: u64,
    code: u64,
    key: CodeKey,
    unit_count: u32,
    frame_size: u32,
}

/// A code object as it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedCode {
    /// Its key, which user space knows; [`CodeKey::UNREAD`] for the helper under
    /// `__init__` calls, which is not shown.
    pub key: CodeKey,
    /// Its number of code units, where the layout has that.
    pub unit_count: u32,
    /// Bytes of its frames on the data stack, where the layout says that.
    pub frame_size: u32,
}

/// The table.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CodeCache {
    /// The current walk's epoch; 0 when nothing may be remembered.
    epoch: u64,
    /// The count, where `co_version` must be below it; else 0.
    versions_below: u64,
    entries: [Entry; ENTRIES],
}

impl CodeCache {
    /// An empty table.
    pub const fn zeroed() -> Self {
        Self {
            epoch: 0,
            versions_below: 0,
            entries: [Entry {
                epoch: 0,
                code: 0,
                key: CodeKey::UNREAD,
                unit_count: 0,
                frame_size: 0,
            }; ENTRIES],
        }
    }

    /// Begins a walk of the thread whose state was copied to `state`: reads the
    /// count of its interpreter. Without one, nothing is remembered.
    #[inline(always)]
    pub fn begin<M: UserMemory>(&mut self, memory: &M, config: &ProcessConfig, state: &Window) {
        self.epoch = 0;
        self.versions_below = 0;
        let place = &config.code_generation;
        let interpreter = state.u64_at(config.layout.thread.interp);
        let address = if place.address != 0 {
            place.address
        } else if place.offset != 0 {
            interpreter.wrapping_add(u64::from(place.offset))
        } else {
            return;
        };
        let Ok(count) = memory.read_u64(address) else {
            return;
        };
        let count = if place.counts_versions != 0 {
            self.versions_below = count & u64::from(u32::MAX);
            self.versions_below
        } else {
            count
        };
        // It overflows to 0 and stays there (3.12), or has not begun.
        if count != 0 {
            self.epoch = mix(mix(config.key.0, interpreter), count) | 1;
        }
    }

    /// The code object at `code`, if it has been read since the count last moved.
    #[inline(always)]
    pub fn get(&self, code: u64) -> Option<CachedCode> {
        // Where nothing is remembered, the entry would be a cache miss for nothing.
        if self.epoch == 0 {
            return None;
        }
        let entry = &self.entries[place_of(code)];
        if entry.code != code || entry.epoch != self.epoch {
            return None;
        }
        Some(CachedCode {
            key: entry.key,
            unit_count: entry.unit_count,
            frame_size: entry.frame_size,
        })
    }

    /// Remembers the code object at `code`, whose `co_version` is `version`.
    #[inline(always)]
    pub fn put(&mut self, code: u64, version: u32, cached: CachedCode) {
        // Its number was taken from the count. If that does not hold, the place
        // of the count is not what it was taken for.
        let is_counted =
            self.versions_below == 0 || version != 0 && u64::from(version) < self.versions_below;
        if self.epoch != 0 && is_counted {
            self.entries[place_of(code)] = Entry {
                epoch: self.epoch,
                code,
                key: cached.key,
                unit_count: cached.unit_count,
                frame_size: cached.frame_size,
            };
        }
    }
}

/// Where a code object is kept, if it is.
#[inline(always)]
fn place_of(code: u64) -> usize {
    (mix(0, code) >> (u64::BITS - ENTRIES.trailing_zeros())) as usize % ENTRIES
}

#[cfg(test)]
mod tests;
