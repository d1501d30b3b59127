// SPDX-License-Identifier: MIT OR Apache-2.0

//! Remembers the code objects that walks have read, in a small table that belongs to one
//! walker. An address alone proves nothing: a code object is not read again only as long
//! as the interpreter's own count shows that no other code object can have taken its
//! place.
//!
//! From 3.12 there is such a count. Every new code object and some functions take a
//! number from it (`init_code`, Objects/codeobject.c): the static `_Py_next_func_version`
//! (3.12) or the interpreter's `func_state.next_version` (3.13). While it does not
//! change, no code object has been made. From 3.14 it is `_code_object_generation`, which
//! counts the code objects that were freed. Either way, if a frame runs a code object
//! now, and one was read from the same address at the same count, the two are the same.
//! The count is read before the code object; a later change only makes the next walk
//! forget. A new interpreter counts from the beginning, so a count is only valid within
//! one life of an interpreter ([`crate::life`]).
//!
//! Where there is no such count (up to 3.11), every code object is read again, and the
//! table remembers only that user space knows its key: the table of all keys
//! ([`crate::known_code`]) is too large for a processor's cache.

use crate::hash::mix;
use crate::life::InterpreterLife;
use crate::memory::UserMemory;
use crate::process::ProcessConfig;
use crate::sample::CodeKey;

/// The number of pairs of places in a table; a power of two. A code object may be in
/// either place of its pair, so that the functions of many processes and of deep stacks
/// are found again.
pub const PAIRS: usize = 4096;

/// What is remembered of one code object.
#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    /// A hash of the interpreter, its life and the count; without a count, of the life
    /// alone.
    epoch: u64,
    code: u64,
    key: CodeKey,
    unit_count: u32,
    frame_size: u32,
}

/// A code object as it was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedCode {
    /// Its key, which user space knows; [`CodeKey::UNREAD`] for the helper frame under
    /// `__init__` calls, which is not shown.
    pub key: CodeKey,
    /// Its number of code units; 0 where the layout does not have it.
    pub unit_count: u32,
    /// Bytes of its frames on the data stack; meaningless where the layout does not say
    /// that.
    pub frame_size: u32,
}

/// The table of one walker.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CodeCache {
    /// The epoch of the current walk; see [`Entry::epoch`].
    epoch: u64,
    /// The life of the interpreter. It gives code objects at equal addresses of different
    /// processes, such as forked siblings, different places.
    life: InterpreterLife,
    /// 1 where the interpreter has a count, so that a code object at a known address is
    /// the known one.
    is_counted: u64,
    /// The count, where every `co_version` must be below it; else 0.
    versions_below: u64,
    pairs: [[Entry; 2]; PAIRS],
}

impl CodeCache {
    /// An empty table.
    pub const fn zeroed() -> Self {
        Self {
            epoch: 0,
            life: InterpreterLife(0),
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

    /// Begins a walk of a thread that runs in the interpreter at `interpreter`, in its
    /// life `life`: reads the interpreter's count, if there is one.
    #[inline(always)]
    pub fn begin<M: UserMemory>(
        &mut self,
        memory: &M,
        config: &ProcessConfig,
        interpreter: u64,
        life: InterpreterLife,
    ) {
        let place = &config.code_generation;
        self.is_counted = 0;
        self.versions_below = 0;
        self.life = life;
        self.epoch = life.0 | 1;
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
        // A count of 0 has overflowed and stays there (3.12), or has not begun.
        if count != 0 {
            self.is_counted = 1;
            self.epoch = mix(mix(life.0, interpreter), count) | 1;
        }
    }

    /// Returns the code object at `code`, if it was read since the count last changed.
    #[inline(always)]
    pub fn get(&self, code: u64) -> Option<CachedCode> {
        // Without a count, reading the entry would cost a cache miss for nothing.
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

    /// Whether the code object at `code` had this key when it was last read, so that user
    /// space knows it. For interpreters without a count; with one, always false.
    #[inline(always)]
    pub fn is_known(&self, code: u64, key: CodeKey) -> bool {
        self.is_counted == 0 && self.find(code).is_some_and(|entry| entry.key == key)
    }

    /// Remembers the code object at `code`, whose `co_version` is `version`.
    #[inline(always)]
    pub fn put(&mut self, code: u64, version: u32, cached: CachedCode) {
        // The version of a code object comes from the count. If it is not below the
        // count, the address does not hold the count after all.
        let is_numbered =
            self.versions_below == 0 || version != 0 && u64::from(version) < self.versions_below;
        if !is_numbered {
            return;
        }
        let epoch = self.epoch;
        let is_own = |entry: &Entry| entry.epoch == epoch;
        let [first, second] = &mut self.pairs[pair_of(self.life, code)];
        // An earlier entry of the same code object is out of date.
        let entry = if first.code == code {
            first
        } else if second.code == code || is_own(first) && !is_own(second) {
            second
        } else {
            // Of two entries of other epochs the newer one stays: it may belong to
            // another process.
            if !is_own(first) && !is_own(second) {
                *second = *first;
            }
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

    /// Returns the entry of this walk's epoch for `code`.
    #[inline(always)]
    fn find(&self, code: u64) -> Option<&Entry> {
        let fits = |entry: &&Entry| entry.code == code && entry.epoch == self.epoch;
        let [first, second] = &self.pairs[pair_of(self.life, code)];
        Some(first).filter(fits).or(Some(second).filter(fits))
    }
}

/// The number of the pair of places for a code object.
#[inline(always)]
fn pair_of(life: InterpreterLife, code: u64) -> usize {
    (mix(life.0, code) >> (u64::BITS - PAIRS.trailing_zeros())) as usize % PAIRS
}

#[cfg(test)]
mod tests;
