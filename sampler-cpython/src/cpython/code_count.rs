// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks whether an interpreter counts its code objects where its layout says so. The
//! walker reads the count itself, in each sample.
//!
//! `PyInterpreterState` of 3.13 is not a public structure, and releases may change it. It
//! contains the state of the interpreter's first thread, far after the count
//! (`_initial_thread`, Include/internal/pycore_interp.h), and that state is in the list
//! of the interpreter's threads. If its distance is the layout's, nothing before it has
//! moved.

use sampler_common::layout::InterpreterLayout;
use sampler_common::memory::UserMemory;

/// The most thread states that are examined.
const MAX_THREADS: usize = 4096;

/// Whether one of the threads of the interpreter at `interpreter` has its state
/// `initial_thread` bytes into it. It is false once that thread has ended.
pub(crate) fn has_landmark(
    memory: &impl UserMemory,
    layout: &InterpreterLayout,
    interpreter: u64,
    initial_thread: u32,
) -> bool {
    let landmark = interpreter.wrapping_add(u64::from(initial_thread));
    let mut link = interpreter.wrapping_add(u64::from(layout.runtime.interp_threads_head));
    for _ in 0..MAX_THREADS {
        match memory.read_u64(link) {
            Ok(state) if state == landmark => return true,
            Ok(state) if state != 0 => {
                link = state.wrapping_add(u64::from(layout.thread.next));
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::layout_table::row;
    use crate::cpython::test_words::Words;
    use crate::cpython::version::PythonVersion;

    const INTERPRETER: u64 = 0x7000_0000;
    const OTHER: u64 = 0x1234_0000;
    const DISTANCE: u32 = 5000;

    fn holds(first_thread: u64) -> bool {
        let row = row(PythonVersion::minor_only(3, 13)).expect("a row");
        let layout = &row.layout;
        let head = INTERPRETER + u64::from(layout.runtime.interp_threads_head);
        let next = |state: u64| state + u64::from(layout.thread.next);
        let words = [(head, OTHER), (next(OTHER), first_thread)];
        let memory = Words(words.into_iter().collect());
        has_landmark(&memory, layout, INTERPRETER, DISTANCE)
    }

    #[test]
    fn the_first_thread_is_in_the_interpreter_or_the_layout_is_another() {
        let inside = INTERPRETER + u64::from(DISTANCE);
        assert!(holds(inside));
        assert!(!holds(inside + 16));
        assert!(!holds(0));
    }

    #[test]
    fn a_circle_ends() {
        assert!(!holds(OTHER));
    }
}
