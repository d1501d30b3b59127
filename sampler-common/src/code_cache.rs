//! What walks remember of the code objects that they have read: a small table
//! that its walker has for itself. It refuses to trust an address: a code object
//! is not read again only while the interpreter's own count says that no other
//! can have taken its place.
//!
//! From 3.12 there is such a count. Every new code object and some functions take
//! a number from it (`init_code`, Objects/codeobject.c): the static
//! `_Py_next_func_version` (3.12) or the interpreter's `func_state.next_version`
//! (3.13). While it stands still no code object has been made. From 3.14 it is
//! `_code_object_generation`, which counts those that were freed. Either way, a code object that a frame
//! runs now, at an address that one was read from at the same count, is that one.
//! The count is read before the code object; what changes later only makes the
//! next walk forget.
//!
//! Where there is no such count (to 3.11), every code object is read again, and only
//! that user space knows its key is remembered: the table of all keys is too large
//! for a processor's cache.

use crate::fingerprint::mix;
use crate::memory::UserMemory;
use crate::process::ProcessConfig;
use crate::sample::CodeKey;
use crate::window::Window;

/// Pairs of places in a table; a power of two. A code object may stand in either
/// place of its pair. So of a stack of 128 different functions all are found again,
/// of one of 512 some 19 of 20.
pub const PAIRS: usize = 1024;

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
    /// The current walk's epoch.
    epoch: u64,
    /// 1 where a code object at a known address is the known one.
    is_counted: u64,
    /// The count, where `co_version` must be below it; else 0.
    versions_below: u64,
    pairs: [[Entry; 2]; PAIRS],
}

impl CodeCache {
    /// An empty table.
    pub const fn zeroed() -> Self {
        Self {
            epoch: 0,
            is_counted: 0,
            versions_below: 0,
            pairs: [[Entry {
                epoch: 0,
                code: 0,
                key: CodeKey::UNREAD,
                unit_count: 0,
                frame_size: 0,
            }; 2]; PAIRS],
        }
    }

    /// Begins a walk of the thread whose state was copied to `state`: reads the
    /// count of its interpreter, if there is one.
    #[inline(always)]
    pub fn begin<M: UserMemory>(&mut self, memory: &M, config: &ProcessConfig, state: &Window) {
        let place = &config.code_generation;
        let interpreter = state.u64_at(config.layout.thread.interp);
        self.is_counted = 0;
        self.versions_below = 0;
        self.epoch = config.key.0 | 1;
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
            self.is_counted = 1;
            self.epoch = mix(mix(config.key.0, interpreter), count) | 1;
        }
    }

    /// The code object at `code`, if it has been read since the count last moved.
    #[inline(always)]
    pub fn get(&self, code: u64) -> Option<CachedCode> {
        // Where nothing is counted, the entry would be a cache miss for nothing.
        if self.is_counted == 0 {
            return None;
        }
        let entry = self.find(code)?;
        Some(CachedCode {
            key: entry.key,
            unit_count: entry.unit_count,
            frame_size: entry.frame_size,
        })
    }

    /// Whether the code object at `code` had this key, which user space knows, when it
    /// was read before.
    #[inline(always)]
    pub fn is_known(&self, code: u64, key: CodeKey) -> bool {
        self.is_counted == 0 && self.find(code).is_some_and(|entry| entry.key == key)
    }

    /// Remembers the code object at `code`, whose `co_version` is `version`.
    #[inline(always)]
    pub fn put(&mut self, code: u64, version: u32, cached: CachedCode) {
        // Its number was taken from the count. If that does not hold, the place
        // of the count is not what it was taken for.
        let is_numbered =
            self.versions_below == 0 || version != 0 && u64::from(version) < self.versions_below;
        if !is_numbered {
            return;
        }
        let epoch = self.epoch;
        // A place of this walk's epoch is in use, unless it is this code object's.
        let is_taken = |entry: &Entry| entry.epoch == epoch && entry.code != code;
        let [first, second] = &mut self.pairs[pair_of(code)];
        let entry = if is_taken(first) && !is_taken(second) {
            second
        } else {
            first
        };
        *entry = Entry {
            epoch,
            code,
            key: cached.key,
            unit_count: cached.unit_count,
            frame_size: cached.frame_size,
        };
    }

    /// The entry of this walk's epoch for `code`.
    #[inline(always)]
    fn find(&self, code: u64) -> Option<&Entry> {
        let fits = |entry: &&Entry| entry.code == code && entry.epoch == self.epoch;
        let [first, second] = &self.pairs[pair_of(code)];
        Some(first).filter(fits).or(Some(second).filter(fits))
    }
}

/// The number of the pair of places for a code object.
#[inline(always)]
fn pair_of(code: u64) -> usize {
    (mix(0, code) >> (u64::BITS - PAIRS.trailing_zeros())) as usize % PAIRS
}

#[cfg(test)]
mod tests;
