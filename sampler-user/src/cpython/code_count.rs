//! Whether an interpreter counts its code objects where its layout says it does.
//! It refuses to read the count: the walker does, in each sample.
//!
//! `PyInterpreterState` of 3.13 is no public structure, and releases may change
//! it. The state of an interpreter's first thread lies in it, far
//! behind the count (`_initial_thread`, Include/internal/pycore_interp.h), and
//! hangs in the list of its threads: where the distance is the layout's own,
//! nothing in front of it has moved.

use sampler_common::layout::InterpreterLayout;
use sampler_common::memory::UserMemory;

/// Thread states that are looked at.
const MAX_THREADS: usize = 4096;

/// Whether the state at `initial_thread` in the interpreter at `interpreter` is
/// one of its threads'. False also when that thread has ended.
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
    use std::collections::HashMap;

    use sampler_common::memory::MemoryFault;

    use super::*;
    use crate::cpython::layout_table::row;
    use crate::cpython::version::PythonVersion;

    struct Words(HashMap<u64, u64>);

    impl UserMemory for Words {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            let word = self.0.get(&address).ok_or(MemoryFault { address })?;
            destination.copy_from_slice(&word.to_ne_bytes());
            Ok(())
        }
    }

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
