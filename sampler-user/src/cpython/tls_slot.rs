//! Finds the thread-local slot in which an interpreter without a TSS key (3.15)
//! keeps each thread's own state, by looking where the known states are noted.
//! It refuses to guess: if two places fit, it says so by giving none.
//!
//! The slot is `_Py_tss_gilstate` (Python/pystate.c), and its neighbour
//! `_Py_tss_tstate` holds the same while the thread is attached. They differ as
//! soon as one thread is seen detached: then only the first is still set. A
//! wrong slot would do no harm, as the walker checks every state it gets.

use sampler_common::layout::{ABSENT, InterpreterLayout};
use sampler_common::memory::UserMemory;
use sampler_common::window::Window;

/// How far below the thread pointer a slot is looked for, in bytes.
const REACH: u64 = 8192;
/// Thread states that are compared.
const MAX_THREADS: usize = 64;
/// Interpreters and thread states that are looked at on the way.
const MAX_STEPS: usize = 8192;
/// Granularity in which memory can be missing.
const PAGE: u64 = 4096;
/// `_status.bound_gilstate`: the slot of this state's thread holds this state.
const BOUND_GILSTATE: u32 = 8;

/// A thread state, and the thread pointer of the thread it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadState {
    pub(crate) address: u64,
    pub(crate) thread_pointer: u64,
}

/// The slot's distance from the thread pointer, if exactly one place fits all
/// threads.
pub(crate) fn find_offset(
    memory: &impl UserMemory,
    layout: &InterpreterLayout,
    runtime: u64,
) -> Option<i64> {
    let mut fitting: Option<Vec<u64>> = None;
    for state in some_of(&thread_states(memory, layout, runtime)) {
        let places = places_below(memory, state);
        match &mut fitting {
            None => fitting = Some(places),
            Some(fitting) => fitting.retain(|place| places.contains(place)),
        }
    }
    match fitting?.as_slice() {
        [distance] => i64::try_from(*distance).ok()?.checked_neg(),
        _ => None,
    }
}

/// As many as are compared. The newest alone would not do: threads of one kind
/// have the state at the same place of their stacks too. The oldest, which come
/// last, are others, the main thread among them.
fn some_of(states: &[ThreadState]) -> Vec<ThreadState> {
    let newest = states.len().min(MAX_THREADS / 2);
    let oldest = states.len().saturating_sub(MAX_THREADS / 2).max(newest);
    let (newest, oldest) = (states.get(..newest), states.get(oldest..));
    [newest, oldest]
        .into_iter()
        .flatten()
        .flatten()
        .copied()
        .collect()
}

/// The states of threads whose slot is set, as far as they can be read.
pub(crate) fn thread_states(
    memory: &impl UserMemory,
    layout: &InterpreterLayout,
    runtime: u64,
) -> Vec<ThreadState> {
    let at = |base: u64, offset: u16| memory.read_u64(base.wrapping_add(offset.into()));
    let mut states = Vec::new();
    let mut interpreter = at(runtime, layout.runtime.interpreters_head).unwrap_or(0);
    let mut candidate = 0;
    for _ in 0..MAX_STEPS {
        if candidate == 0 {
            if interpreter == 0 {
                break;
            }
            candidate = at(interpreter, layout.runtime.interp_threads_head).unwrap_or(0);
            interpreter = at(interpreter, layout.runtime.interp_next).unwrap_or(0);
            continue;
        }
        let mut state = Window::zeroed();
        let thread = &layout.thread;
        if state.load(memory, candidate, thread.read_size).is_err() {
            break;
        }
        let thread_pointer = state.u64_at(thread.thread_id);
        let is_bound = thread.status == ABSENT || state.u32_at(thread.status) & BOUND_GILSTATE != 0;
        if is_bound && thread_pointer != 0 {
            states.push(ThreadState {
                address: candidate,
                thread_pointer,
            });
        }
        candidate = state.u64_at(thread.next);
    }
    states
}

/// Distances below its thread pointer at which a thread notes its state.
fn places_below(memory: &impl UserMemory, state: ThreadState) -> Vec<u64> {
    let mut places = Vec::new();
    let lowest = state.thread_pointer.saturating_sub(REACH);
    let mut end = state.thread_pointer & !7;
    let mut page = [0; PAGE as usize];
    while end > lowest {
        // Down to the next page boundary: the page below may not be there.
        let start = ((end - 1) & !(PAGE - 1)).max(lowest & !7);
        let Some(bytes) = page.get_mut(..(end - start) as usize) else {
            break;
        };
        if memory.read_bytes(start, bytes).is_err() {
            break;
        }
        let (words, _) = bytes.as_chunks::<8>();
        for (address, word) in (start..end).step_by(8).zip(words) {
            if u64::from_le_bytes(*word) == state.address {
                places.push(state.thread_pointer - address);
            }
        }
        end = start;
    }
    places
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use sampler_common::memory::MemoryFault;

    use super::*;
    use crate::cpython::layout_table::row;
    use crate::cpython::version::PythonVersion;

    const RUNTIME: u64 = 0x10_0000;
    const INTERPRETER: u64 = 0x20_0000;

    /// Words; what is not set is zero, except in `hole`, where nothing is mapped.
    #[derive(Default)]
    struct Words {
        words: HashMap<u64, u64>,
        hole: std::ops::Range<u64>,
    }

    impl UserMemory for Words {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            if self.hole.contains(&address) {
                return Err(MemoryFault { address });
            }
            let (words, _) = destination.as_chunks_mut::<8>();
            for (at, word) in (address..).step_by(8).zip(words) {
                *word = self.words.get(&at).copied().unwrap_or(0).to_le_bytes();
            }
            Ok(())
        }
    }

    fn layout() -> InterpreterLayout {
        let row = row(PythonVersion::minor_only(3, 15)).expect("it is supported");
        row.layout
    }

    /// Threads whose states are at a million times their position, each noted
    /// at the given distances below its thread pointer.
    fn process(threads: &[&[u64]]) -> Words {
        let layout = layout();
        let mut memory = Words::default();
        let mut link = INTERPRETER + u64::from(layout.runtime.interp_threads_head);
        let head = RUNTIME + u64::from(layout.runtime.interpreters_head);
        memory.words.insert(head, INTERPRETER);
        for (position, places) in (1..).zip(threads) {
            let state = position * 0x100_0000;
            let pointer = 0x7f00_0000_0740 + position * 0x10_0000;
            memory.words.insert(link, state);
            let thread = &layout.thread;
            memory
                .words
                .insert(state + u64::from(thread.thread_id), pointer);
            memory
                .words
                .insert(state + u64::from(thread.status), BOUND_GILSTATE.into());
            for distance in *places {
                memory.words.insert(pointer - distance, state);
            }
            link = state + u64::from(thread.next);
        }
        memory
    }

    fn find(memory: &Words) -> Option<i64> {
        find_offset(memory, &layout(), RUNTIME)
    }

    #[test]
    fn finds_the_slot_that_every_thread_has() {
        assert_eq!(find(&process(&[&[0x28]])), Some(-0x28));
        assert_eq!(
            find(&process(&[&[0x28, 0x20], &[0x28], &[0x28, 0x900]])),
            Some(-0x28)
        );
        assert_eq!(find(&process(&[&[4096]])), Some(-4096));
    }

    #[test]
    fn gives_none_where_two_fit_or_none_does() {
        assert_eq!(find(&process(&[&[0x28, 0x20]])), None);
        assert_eq!(find(&process(&[&[0x28], &[0x20]])), None);
        assert_eq!(find(&process(&[&[REACH + 8]])), None);
        assert_eq!(find(&process(&[])), None);
    }

    #[test]
    fn many_threads_of_one_kind_do_not_hide_it() {
        // All but the last have it on their stacks too, at one place.
        let alike: &[u64] = &[0x28, 0x600];
        let mut threads = vec![alike; 2000];
        assert_eq!(find(&process(&threads)), None);
        threads.push(&[0x28]);
        assert_eq!(find(&process(&threads)), Some(-0x28));
    }

    #[test]
    fn stops_where_memory_ends() {
        let mut memory = process(&[&[0x28, 0x1800]]);
        assert_eq!(find(&memory), None);
        // The page below the thread pointer's own.
        memory.hole = 0x7f00_000f_f000..0x7f00_0010_0000;
        assert_eq!(find(&memory), Some(-0x28));
        memory.hole = 0..u64::MAX;
        assert_eq!(find(&memory), None);
    }

    #[test]
    fn a_list_that_runs_in_a_circle_ends() {
        let mut memory = process(&[&[0x28]]);
        let next = 0x100_0000 + u64::from(layout().thread.next);
        memory.words.insert(next, 0x100_0000);
        assert_eq!(find(&memory), Some(-0x28));
        let interpreter = INTERPRETER + u64::from(layout().runtime.interp_next);
        let threads = INTERPRETER + u64::from(layout().runtime.interp_threads_head);
        memory.words.insert(interpreter, INTERPRETER);
        memory.words.insert(threads, 0);
        assert_eq!(find(&memory), None);
    }
}
