// SPDX-License-Identifier: MIT OR Apache-2.0

//! Damage whose outcome is known exactly: the stop reason that the sample carries.

use sampler_common::layout::{ABSENT, EntryKind, InstructionKind};
use sampler_common::stop::StopReason;

use crate::case::Case;

/// In the zero page, which no process maps.
const UNMAPPED: u64 = 0x10;

#[test]
fn a_chain_that_ends_without_the_mark_of_an_end_is_broken_or_marked() {
    for case in Case::all() {
        let layout = &case.config.layout.frame;
        let mut broken = 0;
        for (index, frame) in case.anatomy.frames.iter().enumerate() {
            let replay = case.with_word(frame.address + u64::from(layout.previous), 0);
            let expected = match frame.has_end_mark {
                // Only the innermost frame can be one that is not linked yet.
                false if index == 0 => StopReason::BrokenChain,
                false => StopReason::OpenEnd,
                true if replay.frames.is_empty() => StopReason::NoFrame,
                true => StopReason::Complete,
            };
            assert_eq!(replay.stop, expected, "{} at {frame:x?}", case.name);
            broken += u32::from(!frame.has_end_mark);
            let marker = replay.shown.iter().flat_map(|shown| shown.last()).next();
            let is_marked = marker.is_some_and(|frame| frame.0 == "<outer frames not known>");
            assert_eq!(
                is_marked,
                replay.stop == StopReason::OpenEnd,
                "{}",
                case.name
            );
        }
        assert_eq!(broken == 0, layout.entry_kind == EntryKind::None as u8);
    }
}

#[test]
fn a_chain_that_comes_back_is_circular() {
    for case in Case::all() {
        let frames = &case.anatomy.frames;
        let layout = &case.config.layout.frame;
        let previous = u64::from(layout.previous);
        for (index, frame) in frames.iter().enumerate() {
            if frame.has_end_mark && layout.entry_kind == EntryKind::BaseFrame as u8 {
                // The walk ends at this frame, whatever the frame points to.
                continue;
            }
            for back in &frames[..=index] {
                let replay = case.with_word(frame.address + previous, back.address);
                assert_eq!(replay.stop, StopReason::Circular, "{}", case.name);
                assert_eq!(replay.shown, Err(StopReason::Circular), "{}", case.name);
                // Brent's algorithm detects a circle within three times its length.
                assert!(replay.frames.len() <= 3 * frames.len(), "{}", case.name);
            }
        }
    }
}

#[test]
fn an_object_of_another_type_is_not_run() {
    for case in Case::all() {
        let layout = &case.config.layout;
        for code in case.anatomy.codes() {
            let ob_type = code + u64::from(layout.object.ob_type);
            for other in [0, UNMAPPED, code, u64::MAX, case.config.code_type + 8] {
                assert_eq!(case.with_word(ob_type, other).stop, StopReason::NotCode);
            }
        }
        for frame in case.anatomy.frames.iter().filter(|it| it.shown.is_some()) {
            let executable = frame.address + u64::from(layout.frame.executable);
            let replay = case.with_word(executable, case.config.code_type);
            assert_eq!(replay.stop, StopReason::NotCode, "{}", case.name);
            assert_eq!(replay.shown, Err(StopReason::NotCode), "{}", case.name);
        }
    }
}

#[test]
fn an_instruction_outside_its_code_object_is_refused() {
    for case in Case::all() {
        let layout = &case.config.layout;
        let is_pointer = layout.frame.instruction_kind >= InstructionKind::Pointer as u8;
        for frame in case.anatomy.frames.iter().filter(|it| it.shown.is_some()) {
            let instruction = (frame.address + u64::from(layout.frame.instruction)) & !7;
            let outside = match is_pointer {
                // Two units before the first (one is allowed), and far away.
                true => vec![
                    0,
                    u64::MAX,
                    frame.code + u64::from(layout.code.adaptive) - 4,
                    frame.code + 0x10_0000,
                ],
                // Both halves of the word, since one of them is the index.
                false => vec![0x7fff_ffff_7fff_ffff, 0x8000_0000_8000_0000],
            };
            for value in outside {
                let replay = case.with_word(instruction, value);
                let expected = Err(StopReason::InstructionOutOfRange);
                assert_eq!(replay.shown, expected, "{} {value:#x}", case.name);
                // The walker itself checks a pointer; a bare index only the user side
                // can check.
                if is_pointer {
                    assert_eq!(replay.stop, StopReason::InstructionOutOfRange);
                }
            }
            if !is_pointer {
                continue;
            }
            // A pointer into one code object fits no other.
            for code in case.anatomy.codes() {
                if code != frame.code {
                    let executable = frame.address + u64::from(layout.frame.executable);
                    let stop = case.with_word(executable, code).stop;
                    assert_eq!(stop, StopReason::InstructionOutOfRange, "{}", case.name);
                }
            }
        }
    }
}

#[test]
fn a_thread_state_of_another_thread_is_refused() {
    for case in Case::all() {
        let thread = &case.config.layout.thread;
        let at = |offset: u16| case.anatomy.thread_state + u64::from(offset);
        for value in [0, case.thread_pointer + 8, u64::MAX] {
            let stop = case.with_word(at(thread.thread_id), value).stop;
            assert_eq!(stop, StopReason::NoThreadState, "{}", case.name);
        }
        let stop = case.with_word(at(thread.interp), 0).stop;
        assert_eq!(stop, StopReason::NoThreadState, "{}", case.name);
        let stop = case.with_word(at(thread.frame_head), 0).stop;
        assert_eq!(stop, StopReason::NoFrame, "{}", case.name);
    }
}

#[test]
fn a_chain_may_end_elsewhere_than_at_the_base_frame() {
    let mut tried = 0;
    for case in Case::all() {
        let thread = &case.config.layout.thread;
        if thread.base_frame == ABSENT {
            continue;
        }
        tried += 1;
        let base_frame = case.anatomy.thread_state + u64::from(thread.base_frame);
        // A greenlet's stack ends at an entry frame of its own.
        for value in [0, UNMAPPED] {
            let replay = case.with_word(base_frame, value);
            assert_eq!(replay.stop, StopReason::Complete, "{}", case.name);
        }
        let replay = case.with_word(base_frame, case.anatomy.frames[0].address);
        assert_eq!(replay.shown, Err(StopReason::NoFrame), "{}", case.name);
    }
    assert!(tried > 0, "3.15 has one");
}
