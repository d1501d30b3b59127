//! The key of a code object: a mix of its address with everything that tells it
//! from another one that is later put at the same address. It refuses to read
//! memory: it gets a copy of the code object.
//!
//! Address, first line, flags and argument count are not enough: in generated
//! code they are equal for nearly every reuse. The pointers to file name, names
//! and line table differ, and `co_version` (3.12 on) is unique by itself.

use crate::layout::{ABSENT, CodeLayout};
use crate::process::ProcessKey;
use crate::sample::CodeKey;
use crate::window::Window;

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The key of the code object at `address` of `process`, whose first
/// `layout.read_size` bytes are in `code`. Never [`CodeKey::UNREAD`].
#[inline(always)]
pub fn code_key(process: ProcessKey, address: u64, code: &Window, layout: &CodeLayout) -> CodeKey {
    let mut hash = mix(process.0, address);
    hash = mix(hash, code.u64_at(layout.filename));
    hash = mix(hash, code.u64_at(layout.name));
    if layout.qualname != ABSENT {
        hash = mix(hash, code.u64_at(layout.qualname));
    }
    hash = mix(hash, code.u64_at(layout.linetable));
    let first_line = u64::from(code.u32_at(layout.firstlineno));
    hash = mix(
        hash,
        first_line << 32 | u64::from(code.u32_at(layout.flags)),
    );
    if layout.version != ABSENT {
        hash = mix(hash, u64::from(code.u32_at(layout.version)));
    }
    CodeKey(hash | 1)
}

/// The key of a process that `parent` forks: `child` is its thread group id.
#[inline(always)]
pub fn child_key(parent: ProcessKey, child: u32, time: u64) -> ProcessKey {
    ProcessKey(mix(mix(parent.0, u64::from(child)), time) | 1)
}

/// Mixes a number into a hash.
#[inline(always)]
pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash ^ value).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests;
