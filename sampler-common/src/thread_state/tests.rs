// SPDX-License-Identifier: MIT OR Apache-2.0

//! Every route to a thread state, and every candidate that must be rejected.

use super::*;
use crate::process::ThreadSpecificData;
use crate::test_memory::{BASE, TestMemory, config};

const INTERPRETER: u64 = BASE + 0x100;
const SECOND: u64 = BASE + 0x200;
const STATES: u64 = BASE + 0x1000;
const POINTER: u64 = BASE + 0x400;
/// Bytes from one thread state to the next.
const STRIDE: u64 = 64;

/// A process with `count` thread states in one interpreter's list, none of them that of
/// the thread at `POINTER`.
fn process(count: u64) -> TestMemory {
    let mut memory = TestMemory::new(0x1000 + (STRIDE * (count + 1)) as usize);
    let layout = config().layout;
    memory.set(BASE, layout.runtime.interpreters_head, INTERPRETER);
    memory.set(INTERPRETER, layout.runtime.interp_threads_head, STATES);
    for index in 0..count {
        let next = match index + 1 == count {
            true => 0,
            false => state(index + 1),
        };
        memory.set(state(index), layout.thread.next, next);
        memory.set(state(index), layout.thread.interp, INTERPRETER);
        memory.set(state(index), layout.thread.thread_id, 0x9000 + index);
    }
    memory
}

fn state(index: u64) -> u64 {
    STATES + STRIDE * index
}

/// Makes a thread state that of the thread at `POINTER`.
fn own(memory: &mut TestMemory, index: u64) {
    let thread_id = config().layout.thread.thread_id;
    memory.set(state(index), thread_id, POINTER);
}

fn find(memory: &TestMemory, config: &ProcessConfig) -> Result<u64, StopReason> {
    let mut search = Search::zeroed();
    let found = super::find(memory, config, POINTER, 0, &mut search);
    if found.is_ok() {
        let thread_id = config.layout.thread.thread_id;
        assert_eq!(search.state.u64_at(thread_id), POINTER, "its copy");
    }
    found
}

/// Makes the list of thread states unreadable, by moving `interpreters.head`.
fn without_list(mut config: ProcessConfig) -> ProcessConfig {
    config.layout.runtime.interpreters_head = 0x8000;
    config
}

fn with_slot(indirect: u16) -> ProcessConfig {
    let mut config = config();
    config.layout.runtime.tss_struct = 16;
    config.thread_specific = ThreadSpecificData {
        offset: 0x10,
        stride: 16,
        value: 8,
        indirect,
    };
    config
}

fn set_key(memory: &mut TestMemory, initialised: u64, key: u64) {
    memory.set(BASE, 16, initialised | key << 32);
}

#[test]
fn the_holder_of_the_gil_is_taken_if_it_is_this_thread() {
    let mut config = config();
    config.layout.runtime.tstate_current = 8;
    let mut memory = process(3);
    own(&mut memory, 1);
    memory.set(BASE, 8, state(1));
    assert_eq!(find(&memory, &without_list(config)), Ok(state(1)));
    // If another thread holds the GIL, or nobody, or the pointer leads nowhere, the list
    // is searched.
    for holder in [state(0), 0, 8, u64::MAX] {
        memory.set(BASE, 8, holder);
        assert_eq!(find(&memory, &config), Ok(state(1)));
    }
}

#[test]
fn the_thread_local_slot_is_taken_if_it_is_this_threads() {
    let mut config = config();
    config.tls_offset = -0x28;
    let mut memory = process(3);
    own(&mut memory, 2);
    memory.set(POINTER - 0x28, 0, state(2));
    assert_eq!(find(&memory, &without_list(config)), Ok(state(2)));
    for other in [state(0), 0, u64::MAX] {
        memory.set(POINTER - 0x28, 0, other);
        assert_eq!(find(&memory, &config), Ok(state(2)));
    }
    config.tls_offset = i64::MIN;
    assert_eq!(find(&memory, &config), Ok(state(2)));
}

#[test]
fn the_slot_of_the_key_is_found_in_both_c_libraries() {
    let mut memory = process(2);
    own(&mut memory, 0);
    set_key(&mut memory, 1, 3);
    memory.set(POINTER, 0x10 + 3 * 16 + 8, state(0));
    assert_eq!(find(&memory, &without_list(with_slot(0))), Ok(state(0)));

    let array = BASE + 0x800;
    memory.set(POINTER, 0x10, array);
    memory.set(POINTER, 0x10 + 3 * 16 + 8, 0);
    memory.set(array, 3 * 16 + 8, state(0));
    assert_eq!(find(&memory, &without_list(with_slot(1))), Ok(state(0)));
}

#[test]
fn an_empty_slot_says_that_the_thread_runs_no_python() {
    let mut memory = process(1);
    own(&mut memory, 0);
    set_key(&mut memory, 1, 3);
    assert_eq!(find(&memory, &with_slot(0)), Err(StopReason::NoThreadState));
}

#[test]
fn a_slot_that_is_out_of_reach_leaves_the_list() {
    let mut memory = process(2);
    own(&mut memory, 1);
    // No C library has this many keys.
    for key in [1024, u64::from(u32::MAX)] {
        set_key(&mut memory, 1, key);
        assert_eq!(find(&memory, &with_slot(0)), Ok(state(1)));
    }
    set_key(&mut memory, 1, 3);
    let mut unknown_library = with_slot(0);
    unknown_library.thread_specific.stride = 0;
    assert_eq!(find(&memory, &unknown_library), Ok(state(1)));
    let mut far = with_slot(0);
    far.thread_specific.offset = u16::MAX;
    assert_eq!(find(&memory, &far), Ok(state(1)));
    // The slot holds the state of another thread.
    memory.set(POINTER, 0x10 + 3 * 16 + 8, state(0));
    assert_eq!(find(&memory, &with_slot(0)), Ok(state(1)));
}

#[test]
fn a_runtime_that_cannot_tell_says_why() {
    let mut memory = process(1);
    own(&mut memory, 0);
    set_key(&mut memory, 0, 3);
    assert_eq!(
        find(&memory, &with_slot(0)),
        Err(StopReason::NotInitialised)
    );
    let mut far = with_slot(0);
    far.layout.runtime.tss_struct = 0x8000;
    assert_eq!(find(&memory, &far), Err(StopReason::Fault));
    set_key(&mut memory, 1, 3);
    let mut no_array = with_slot(1);
    no_array.thread_specific.offset = u16::MAX;
    assert_eq!(find(&memory, &no_array), Err(StopReason::Fault));

    assert_eq!(
        find(&memory, &without_list(config())),
        Err(StopReason::Fault)
    );
    memory.set(BASE, 0, 0);
    assert_eq!(find(&memory, &config()), Err(StopReason::NotInitialised));
}

#[test]
fn the_list_goes_on_in_the_next_interpreter() {
    let runtime = config().layout.runtime;
    let mut memory = process(3);
    own(&mut memory, 2);
    // The first interpreter has no threads, the second has all of them.
    memory.set(INTERPRETER, runtime.interp_threads_head, 0);
    memory.set(INTERPRETER, runtime.interp_next, SECOND);
    memory.set(SECOND, runtime.interp_threads_head, STATES);
    assert_eq!(find(&memory, &config()), Ok(state(2)));
    memory.set(INTERPRETER, runtime.interp_next, 0);
    assert_eq!(find(&memory, &config()), Err(StopReason::NoThreadState));
}

#[test]
fn a_state_without_an_interpreter_is_refused() {
    let interp = config().layout.thread.interp;
    let mut memory = process(1);
    own(&mut memory, 0);
    memory.set(state(0), interp, 0);
    assert_eq!(find(&memory, &config()), Err(StopReason::NoThreadState));
}

#[test]
fn of_two_candidates_the_one_with_a_frame_counts() {
    // Up to 3.11 a new state has its parent's thread id until its own thread runs.
    let frame_head = config().layout.thread.frame_head;
    for busy in [0, 2] {
        let mut memory = process(3);
        own(&mut memory, 0);
        own(&mut memory, 2);
        memory.set(state(busy), frame_head, 0x1234);
        assert_eq!(find(&memory, &config()), Ok(state(busy)));
    }
    let mut memory = process(3);
    own(&mut memory, 0);
    own(&mut memory, 2);
    assert_eq!(find(&memory, &config()), Ok(state(2)), "either will do");
}

#[test]
fn of_two_candidates_the_bound_one_counts() {
    let mut config = config();
    config.layout.thread.status = 32;
    for bound in [0, 2] {
        let mut memory = process(3);
        for index in [0, 2] {
            own(&mut memory, index);
            // Both have a frame: one belongs to the interpreter that called this one.
            memory.set(state(index), config.layout.thread.frame_head, 0x1234);
            memory.set(state(index), 32, 0x17);
        }
        memory.set(state(bound), 32, 0x1f);
        assert_eq!(find(&memory, &config), Ok(state(bound)));
    }
}

#[test]
fn the_search_is_bounded() {
    // One step enters the interpreter; each of the others looks at one state.
    let last = u64::from(MAX_SEARCHED) - 2;
    let mut memory = process(600);
    own(&mut memory, last);
    assert_eq!(find(&memory, &config()), Ok(state(last)));
    let mut memory = process(600);
    own(&mut memory, last + 1);
    assert_eq!(find(&memory, &config()), Err(StopReason::TooManyThreads));
}

#[test]
fn a_list_that_runs_in_a_circle_or_into_nothing_ends() {
    let runtime = config().layout.runtime;
    let next = config().layout.thread.next;
    let ends = [
        (state(0), StopReason::TooManyThreads),
        (state(1), StopReason::TooManyThreads),
        (8, StopReason::Fault),
        (u64::MAX, StopReason::Fault),
    ];
    for (target, reason) in ends {
        let mut memory = process(2);
        memory.set(state(1), next, target);
        assert_eq!(find(&memory, &config()), Err(reason));
    }
    // A thread state that is mistaken for an interpreter leads to an end.
    let ends = [
        (state(0), StopReason::NoThreadState),
        (state(1), StopReason::NoThreadState),
        (8, StopReason::Fault),
        (u64::MAX, StopReason::Fault),
    ];
    for (target, reason) in ends {
        let mut memory = process(2);
        memory.set(INTERPRETER, runtime.interp_next, target);
        assert_eq!(find(&memory, &config()), Err(reason));
    }
    let mut memory = process(0);
    memory.set(INTERPRETER, runtime.interp_threads_head, 0);
    memory.set(INTERPRETER, runtime.interp_next, INTERPRETER);
    assert_eq!(find(&memory, &config()), Err(StopReason::TooManyThreads));
}

#[test]
fn a_slot_that_cannot_be_read_leaves_open_whether_there_is_a_state() {
    let mut config = config();
    config.tls_offset = i64::MIN;
    let mut memory = process(2);
    assert_eq!(find(&memory, &config), Err(StopReason::Fault));
    // An unreadable slot does not count against a state that is found elsewhere.
    own(&mut memory, 1);
    assert_eq!(find(&memory, &config), Ok(state(1)));
}

#[test]
fn what_could_not_be_read_is_forgotten_by_the_next_search() {
    let (mut search, memory) = (Search::zeroed(), process(2));
    let mut far = config();
    far.tls_offset = i64::MIN;
    for (config, reason) in [
        (far, StopReason::Fault),
        (config(), StopReason::NoThreadState),
    ] {
        let found = super::find(&memory, &config, POINTER, 0, &mut search);
        assert_eq!(found, Err(reason));
    }
}

#[test]
fn a_thread_without_a_thread_pointer_has_no_state() {
    let thread_id = config().layout.thread.thread_id;
    let mut memory = process(1);
    memory.set(state(0), thread_id, 0);
    let found = super::find(&memory, &config(), 0, 0, &mut Search::zeroed());
    assert_eq!(found, Err(StopReason::NoThreadState));
}

/// A key whose value is not inside `struct pthread`: a pointer behind the inline values
/// leads to its block, which is missing while the thread has no value in it.
#[test]
fn a_large_key_of_glibc_is_in_a_block_of_its_own() {
    let config = without_list(with_slot(0));
    let mut memory = process(2);
    own(&mut memory, 1);
    set_key(&mut memory, 1, 70);
    assert_eq!(find(&memory, &config), Err(StopReason::NoThreadState));
    let block = BASE + 0x800;
    memory.set(POINTER, 0x10 + 32 * 16 + 8 * (70 / 32), block);
    memory.set(block, 16 * (70 % 32) + 8, state(1));
    assert_eq!(find(&memory, &config), Ok(state(1)));
}

/// The slot of a library that was loaded late is in memory of each thread's own.
#[test]
fn a_late_librarys_slot_is_in_the_block_of_its_module() {
    let mut config = without_list(config());
    config.tls_module = 3;
    config.tls_offset = 0x28;
    let mut memory = process(2);
    own(&mut memory, 1);
    let (vector, block) = (BASE + 0x800, BASE + 0x900);
    memory.set_bytes(POINTER + DTV, &vector.to_ne_bytes());
    memory.set_bytes(vector + 3 * DTV_ENTRY, &block.to_ne_bytes());
    memory.set(block, 0x28, state(1));
    assert_eq!(find(&memory, &config), Ok(state(1)));
}
