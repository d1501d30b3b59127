// SPDX-License-Identifier: MIT OR Apache-2.0

//! Computes the key of a code object: a hash of its address and of everything that tells
//! it from another one that is later put at the same address. Works on a copy of the code
//! object, and reads memory only for its names.
//!
//! Address, first line, flags and argument count are not enough: in generated code they
//! are equal for nearly every reuse. `co_version` (from 3.12) is unique in one life of an
//! interpreter. Before 3.12, the pointers to file name, names and line table usually
//! differ, but code that is made and thrown away in a loop has even these at the same
//! addresses again; then only the text of the name differs. A `str` stores its hash once
//! that is needed. The compiler interns the names of functions, which needs it, but not
//! the qualified ones of 3.11, and `code.replace` takes any name. Of a name without a hash,
//! the length and the last 48 bytes of the text are used.

use crate::hash::mix;
use crate::layout::{ABSENT, InterpreterLayout, ObjectLayout};
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
/// [`MemoryFault`] when a name of it cannot be read. The names are needed only where there
/// is no `co_version`.
#[inline(always)]
pub fn code_key<M: UserMemory>(
    memory: &M,
    life: InterpreterLife,
    address: u64,
    code: &mut Window,
    layout: &InterpreterLayout,
) -> Result<CodeKey, MemoryFault> {
    let object = &layout.object;
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
    if layout.version != ABSENT {
        let number = u64::from(code.u32_at(layout.version));
        return Ok(CodeKey(mix(hash, number) | 1));
    }
    // The qualified name ends with the name.
    let shown = if layout.qualname == ABSENT {
        layout.name
    } else {
        layout.qualname
    };
    let text = code.u64_at(shown);
    match text_key(memory, text, object, code) {
        UNREADABLE => Err(MemoryFault { address: text }),
        key => Ok(CodeKey(mix(hash, key) | 1)),
    }
}

/// What a `str` stores as its hash while nothing has needed it.
const NOT_HASHED: u64 = u64::MAX;
/// What no text has for a key.
const UNREADABLE: u64 = u64::MAX;
/// Returns a number that texts differ by: the hash, or one of the text's length and end; or
/// [`UNREADABLE`]. `window` is only used for reading.
///
/// A function of its own, since the eBPF programs have no stack left for its variables, and
/// one that returns a plain number, since theirs cannot return more.
#[inline(never)]
fn text_key<M: UserMemory>(
    memory: &M,
    text: u64,
    object: &ObjectLayout,
    window: &mut Window,
) -> u64 {
    // `length`, `hash` and `state` follow each other in every version.
    let start = text.wrapping_add(u64::from(object.str_length));
    let Ok(&[length, hash, state]) = window.read_words(memory, start) else {
        return UNREADABLE;
    };
    if hash != NOT_HASHED {
        return hash;
    }
    let state = state >> object.str_kind_shift;
    // `kind`, the width of a character, is 1, 2 or 4.
    let size = length.wrapping_mul(state & 7);
    // Without branches, which the verifier would follow one by one.
    let is_ascii = state >> ASCII & 1;
    let longer = u64::from(object.str_compact_data.wrapping_sub(object.str_ascii_data));
    let data = u64::from(object.str_compact_data).wrapping_sub(longer * is_ascii);
    let end = text.wrapping_add(data).wrapping_add(size);
    // Of a short text, this begins in the object's header.
    let Ok(words) = window.read_words::<LAST, M>(memory, end.wrapping_sub(8 * LAST as u64)) else {
        return UNREADABLE;
    };
    let mut key = size;
    for word in words {
        key = mix(key, *word);
    }
    key >> 1
}

/// How many words of the end of a text are used.
const LAST: usize = 6;
/// The bit `state.ascii`, counted from `state.kind` on.
const ASCII: u32 = 4;

/// Returns the key of a new life that comes from `parent`: a forked child, or the same
/// process after an exec. `child` is its thread group id, `time` when it began in
/// nanoseconds.
#[inline(always)]
pub fn child_key(parent: ProcessKey, child: u32, time: u64) -> ProcessKey {
    ProcessKey(mix(mix(parent.0, u64::from(child)), time) | 1)
}

#[cfg(test)]
mod tests;
