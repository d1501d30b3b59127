// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the thread-local slot in which an interpreter without a TSS key (3.15) keeps
//! each thread's own state, by searching for the places that hold the known states. If
//! two places fit, it returns none rather than guess.
//!
//! The slot is `_Py_tss_gilstate` (Python/pystate.c). Its neighbour `_Py_tss_tstate`
//! holds the same value while the thread is attached, so the two differ as soon as one
//! thread is seen detached: then only the first is still set. A wrong slot would do no
//! harm, as the walker checks every state that it gets.

use sampler_common::layout::{ABSENT, InterpreterLayout};
use sampler_common::memory::UserMemory;
use sampler_common::thread_state::{DTV, DTV_ENTRY};
use sampler_common::window::Window;

/// How far below the thread pointer a slot is searched for, in bytes.
const REACH: u64 = 8192;
/// How many modules' blocks are searched, and below it how many bytes of each: an
/// interpreter has few thread-local variables.
const MAX_MODULES: u32 = 64;
const BLOCK: u64 = 256;
/// The most thread states that are compared.
const MAX_THREADS: usize = 64;
/// The most interpreters and thread states that are visited.
const MAX_STEPS: usize = 8192;
/// The granularity in which memory can be missing, in bytes.
const PAGE: u64 = 4096;
/// The bit `_status.bound_gilstate`: the slot of this state's thread holds this state.
const BOUND_GILSTATE: u32 = 8;

/// A thread state, and the thread pointer of the thread it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadState {
    pub(crate) address: u64,
    pub(crate) thread_pointer: u64,
}

/// Returns the slot's distance from the thread pointer, if exactly one place fits all
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

/// Finds the slot in the thread-local block of a library that was loaded late: returns
/// the number of its module and the offset in the block, if exactly one place fits all
/// threads.
pub(crate) fn find_in_blocks(
    memory: &impl UserMemory,
    layout: &InterpreterLayout,
    runtime: u64,
) -> Option<(u32, i64)> {
    let mut fitting: Option<Vec<(u32, i64)>> = None;
    for state in some_of(&thread_states(memory, layout, runtime)) {
        let places = places_in_blocks(memory, state);
        match &mut fitting {
            None => fitting = Some(places),
            Some(fitting) => fitting.retain(|place| places.contains(place)),
        }
    }
    match fitting?.as_slice() {
        [place] => Some(*place),
        _ => None,
    }
}

/// Returns where a thread notes its state in the blocks that were allocated for it. A
/// block near the thread pointer is not one of those.
fn places_in_blocks(memory: &impl UserMemory, state: ThreadState) -> Vec<(u32, i64)> {
    let mut places = Vec::new();
    let pointer = state.thread_pointer;
    let Ok(vector) = memory.read_u64(pointer.wrapping_add(DTV)) else {
        return places;
    };
    // The entry before the first holds their number.
    let count = memory.read_u64(vector.wrapping_sub(DTV_ENTRY)).unwrap_or(0);
    for module in 1..=u64::from(MAX_MODULES).min(count) as u32 {
        let entry = vector.wrapping_add(u64::from(module) * DTV_ENTRY);
        let Ok(block) = memory.read_u64(entry) else {
            break;
        };
        // 0 after the last, all ones where the thread has none yet.
        let is_static = (pointer.saturating_sub(REACH)..=pointer).contains(&block);
        if block == 0 || block == u64::MAX || is_static {
            continue;
        }
        for offset in (0..BLOCK).step_by(8) {
            match memory.read_u64(block.wrapping_add(offset)) {
                Ok(word) if word == state.address => {
                    places.push((module, offset.cast_signed()));
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    places
}

/// Picks the states to compare. The newest alone would not do: threads of one kind may
/// all have the state at the same place of their stacks. The oldest, which come last,
/// differ from them; the main thread is among these.
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

/// Returns the states of threads whose slot is set, as far as they can be read.
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

/// Returns the distances below its thread pointer at which a thread notes its state.
fn places_below(memory: &impl UserMemory, state: ThreadState) -> Vec<u64> {
    let mut places = Vec::new();
    let lowest = state.thread_pointer.saturating_sub(REACH);
    let mut end = state.thread_pointer & !7;
    let mut page = [0; PAGE as usize];
    while end > lowest {
        // Down to the next page boundary: the page below may be missing.
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

    /// Memory of words: zero where none is set, unmapped in `hole`.
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

    /// Makes threads whose states are at multiples of 0x100_0000, each noted at the given
    /// distances below its thread pointer.
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
        // All but the last also have it on their stacks, at one place.
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

    /// Each thread has a block of module 2 with its state at 0x28, and all but the last
    /// thread also at 0x20. The block of module 1 is near the thread pointer.
    #[test]
    fn finds_the_slot_of_a_library_that_was_loaded_late() {
        let mut memory = process(&[&[], &[], &[]]);
        for position in 1..=3_u64 {
            let (state, pointer) = (
                position * 0x100_0000,
                0x7f00_0000_0740 + position * 0x10_0000,
            );
            let (vector, block) = (
                0x5000_0000 + position * 0x1000,
                0x6000_0000 + position * 0x1000,
            );
            memory.words.insert(pointer + DTV, vector);
            memory.words.insert(vector - DTV_ENTRY, 4);
            memory.words.insert(vector + DTV_ENTRY, pointer - 0x100);
            memory.words.insert(vector + 2 * DTV_ENTRY, block);
            memory.words.insert(vector + 3 * DTV_ENTRY, u64::MAX);
            memory.words.insert(block + 0x28, state);
            if position < 3 {
                memory.words.insert(block + 0x20, state);
            }
        }
        let found = |memory: &Words| find_in_blocks(memory, &layout(), RUNTIME);
        assert_eq!(found(&memory), Some((2, 0x28)));
        // While all threads are attached, its neighbour holds the same.
        memory.words.insert(0x6000_3020, 3 * 0x100_0000);
        assert_eq!(found(&memory), None);
    }
}
