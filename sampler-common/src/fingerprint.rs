// SPDX-License-Identifier: MIT OR Apache-2.0

//! Computes the key of a code object: a hash of its address and of everything that tells
//! it from another one that is later put at the same address. Works on a copy of the code
//! object, and reads memory only for the hash of its name.
//!
//! Address, first line, flags and argument count are not enough: in generated code they
//! are equal for nearly every reuse. `co_version` (from 3.12) is unique in one life of an
//! interpreter. Before 3.12, the pointers to file name, names and line table usually
//! differ, but code that is made and thrown away in a loop has even these at the same
//! addresses again; then only the text of the name differs. A `str` stores its hash, and
//! names are interned, so the hash has been computed.

use crate::hash::mix;
use crate::layout::{ABSENT, InterpreterLayout};
use crate::life::InterpreterLife;
use crate::memory::{MemoryFault, UserMemory};
use crate::process::ProcessKey;
use crate::sample::CodeKey;
use crate::window::Window;

/// Returns the key of the code object at `address` in the life `life` of its interpreter.
/// `code` holds the first `layout.code.read_size` bytes of it. The key is never
/// [`CodeKey::UNREAD`].
///
/// # Errors
/// [`MemoryFault`] when its name cannot be read. The name is needed only where there is
/// no `co_version`.
#[inline(always)]
pub fn code_key<M: UserMemory>(
    memory: &M,
    life: InterpreterLife,
    address: u64,
    code: &Window,
    layout: &InterpreterLayout,
) -> Result<CodeKey, MemoryFault> {
    // `PyASCIIObject.hash` follows `length` in every version.
    let hash_of_text = u64::from(layout.object.str_length) + 8;
    let layout = &layout.code;
    let mut hash = mix(life.0, address);
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
    let number = if layout.version == ABSENT {
        memory.read_u64(code.u64_at(layout.name).wrapping_add(hash_of_text))?
    } else {
        u64::from(code.u32_at(layout.version))
    };
    Ok(CodeKey(mix(hash, number) | 1))
}

/// Returns the key of a new life that comes from `parent`: a forked child, or the same
/// process after an exec. `child` is its thread group id, `time` when it began in
/// nanoseconds.
#[inline(always)]
pub fn child_key(parent: ProcessKey, child: u32, time: u64) -> ProcessKey {
    ProcessKey(mix(mix(parent.0, u64::from(child)), time) | 1)
}

#[cfg(test)]
mod tests;
