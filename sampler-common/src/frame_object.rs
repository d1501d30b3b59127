// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recognises frames that compiled code pushes by itself, and finds the line they are at.
//! Such a frame lies inside its own frame object, which stores the line.
//!
//! An interpreter that evaluates bytecode keeps frames on the data stack, or in
//! generators; a frame object has a frame inside it only when the frame's evaluation is
//! over (`take_ownership`, Python/frame.c), and then no chain leads to it. Compilers such
//! as Nuitka have no data stack. Their frames are part of frame objects, and their chains
//! end with such a frame where CPython's end with an entry frame, because nothing has
//! called an evaluation. The instruction of such a frame never moves; as in CPython
//! itself (`PyFrame_GetLineNumber`), its object's `f_lineno` counts where that is not 0.

use crate::frame_window::FrameWindow;
use crate::layout::{EntryKind, InterpreterLayout};
use crate::memory::UserMemory;
use crate::window::Window;

/// How far after the start of its object a frame may begin, in bytes. There has to be
/// room for a `PyFrameObject` (some 90 bytes) and for what a compiler adds to it.
const FARTHEST: u64 = 512;

/// Returns the line of the frame at `address`, whose owner is `owner`; `None` unless the
/// frame lies inside its own frame object. `head` receives a copy of the start of that
/// object: a BPF stack has no room for it.
#[inline(always)]
pub(crate) fn line<M: UserMemory>(
    memory: &M,
    layout: &InterpreterLayout,
    frame: &FrameWindow,
    head: &mut Window,
    (address, owner): (u64, u8),
) -> Option<u32> {
    let offset = layout.frame.frame_obj;
    // In 3.11 the layout's `owner` is `is_entry`, and the real owner is the next byte.
    let owner = match layout.frame.entry_kind == EntryKind::IsEntry as u8 {
        true => frame.u8_at(layout.frame.owner.wrapping_add(1)),
        false => owner,
    };
    // Most frames belong to the thread (`FRAME_OWNED_BY_THREAD`).
    if offset == 0 || owner == 0 {
        return None;
    }
    let object = frame.u64_at(u16::from(offset));
    if object >= address || address.wrapping_sub(object) > FARTHEST {
        return None;
    }
    // struct _frame { PyObject_HEAD PyFrameObject *f_back; _PyInterpreterFrame *f_frame;
    // PyObject *f_trace; int f_lineno; … } (3.11 to 3.15); `ob_type` ends the head.
    let f_frame = layout.object.ob_type.wrapping_add(16);
    let f_lineno = f_frame.wrapping_add(16);
    head.load(memory, object, f_lineno.wrapping_add(8)).ok()?;
    (head.u64_at(f_frame) == address).then_some(head.u32_at(f_lineno))
}
