// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where frames can lie and where they cannot.

use super::*;
use crate::test_memory::{BASE, TestMemory, layout};

const CHUNK: u64 = 0x5000_0000;
const LIMIT: u64 = CHUNK + 0x4000;
/// A frame that is not on the data stack.
const GENERATOR: u64 = 0x6000_0000;
const SIZE: u64 = 0x80;

const DATA_STACK: DataStackLayout = DataStackLayout {
    datastack_chunk: 16,
    framesize: 68,
    nlocalsplus: 76,
    specials: 9,
};

/// The checks of a thread whose data stack is filled up to `top`. The evaluation with the
/// structure at [`BASE`] began the thread's current one.
fn data_stack(top: u64) -> DataStack {
    let mut memory = TestMemory::new(64);
    memory.set(BASE, 16, CHUNK);
    memory.set(BASE, 24, top);
    memory.set(BASE, 32, LIMIT);
    let mut state = Window::zeroed();
    state.load(&memory, BASE, 40).expect("it is there");
    let mut data_stack = DataStack::zeroed();
    data_stack.begin(&DATA_STACK, &state, BASE);
    data_stack
}

fn running(address: u64) -> FramePlace {
    FramePlace {
        address,
        size: SIZE,
        is_new: false,
        is_innermost: true,
    }
}

fn new(address: u64) -> FramePlace {
    FramePlace {
        is_new: true,
        ..running(address)
    }
}

fn outer(address: u64) -> FramePlace {
    FramePlace {
        is_innermost: false,
        ..running(address)
    }
}

#[test]
fn a_frame_at_the_top_that_runs_needs_no_other_proof() {
    let frame = CHUNK + 0x400;
    for top in [frame + SIZE, frame + 2 * SIZE] {
        let mut checks = data_stack(top);
        assert!(checks.admits(running(frame)));
        assert!(!checks.is_open());
        assert!(checks.admits(outer(CHUNK + 0x10)), "it is not asked");
    }
}

#[test]
fn a_frame_that_has_been_left_is_refused() {
    let frame = CHUNK + 0x400;
    for top in [CHUNK + 24, frame, frame + SIZE - 8] {
        assert!(!data_stack(top).admits(running(frame)));
        assert!(!data_stack(top).admits(new(frame)));
    }
}

#[test]
fn the_caller_of_a_new_frame_ends_where_it_begins() {
    let frame = CHUNK + 0x400;
    for (caller, expected) in [
        (frame - SIZE, true),
        (frame - SIZE - 8, false),
        (CHUNK + 24, false),
        (frame + SIZE, false),
    ] {
        let mut checks = data_stack(frame + SIZE);
        assert!(checks.admits(new(frame)));
        assert!(checks.is_open());
        // A frame elsewhere is not the caller on the data stack.
        assert!(checks.admits(outer(GENERATOR)));
        assert_eq!(checks.admits(outer(caller)), expected, "{caller:#x}");
    }
}

#[test]
fn a_caller_whose_size_is_not_known_is_not_refused() {
    let frame = CHUNK + 0x400;
    let mut checks = data_stack(frame + SIZE);
    assert!(checks.admits(new(frame)));
    let caller = FramePlace {
        size: 0,
        ..outer(CHUNK + 0x100)
    };
    assert!(checks.admits(caller));
}

#[test]
fn the_first_frame_of_a_chunk_has_no_caller_there() {
    for frame in [CHUNK + 24, CHUNK + 32] {
        let mut checks = data_stack(frame + SIZE);
        assert!(checks.admits(new(frame)));
        assert!(checks.admits(outer(CHUNK - 0x4000)));
    }
}

#[test]
fn an_evaluation_began_under_the_current_frame_of_the_one_around_it() {
    let mut memory = TestMemory::new(64);
    let layout = layout();
    memory.set(BASE, layout.thread.cframe_current_frame, CHUNK + 0x200);
    for (previous, expected) in [(CHUNK + 0x200, true), (CHUNK + 0x100, false), (0, false)] {
        let mut checks = data_stack(CHUNK + 0x400);
        assert!(checks.admits(running(GENERATOR)));
        assert!(checks.is_open());
        let admitted = checks.admits_entry(&memory, &layout, previous);
        assert_eq!(admitted, Ok(expected), "{previous:#x}");
        assert!(!checks.is_open());
    }
    let mut checks = DataStack {
        outer_cframe: 8,
        ..data_stack(CHUNK + 0x400)
    };
    let unreadable = checks.admits_entry(&memory, &layout, 0);
    assert!(unreadable.is_err(), "not readable");
}

#[test]
fn where_there_is_no_such_structure_nothing_is_asked() {
    let mut checks = data_stack(CHUNK + 0x400);
    checks.begin(&DataStackLayout::NONE, &Window::zeroed(), 0);
    for frame in [running(CHUNK + 0x800), new(CHUNK + 0x800), new(GENERATOR)] {
        assert!(checks.admits(frame));
        assert!(!checks.is_open());
    }
}

#[test]
fn a_frame_is_as_large_as_its_code_says() {
    let mut memory = TestMemory::new(128);
    memory.set_bytes(BASE + 68, &7_u32.to_ne_bytes());
    memory.set_bytes(BASE + 76, &4_u32.to_ne_bytes());
    let mut code = Window::zeroed();
    code.load(&memory, BASE, 128).expect("it is there");
    assert_eq!(frame_size(&DATA_STACK, &code), (4 + 7 + 9) * 8);
    let whole = DataStackLayout {
        nlocalsplus: ABSENT,
        ..DATA_STACK
    };
    assert_eq!(frame_size(&whole, &code), 7 * 8);
}
