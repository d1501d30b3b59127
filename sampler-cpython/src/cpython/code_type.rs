// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the type of code objects in a running interpreter whose file does not name it,
//! because the interpreter is part of a stripped program. The type is recognised by its
//! own name, so no other type can be mistaken for it.

use sampler_common::layout::{FrameHead, InterpreterLayout};
use sampler_common::memory::UserMemory;
use sampler_common::window::Window;

use crate::cpython::tls_slot::thread_states;

/// The most frames of one thread that are examined: the innermost may hold no code.
const MAX_FRAMES: usize = 16;
/// The most threads whose frames are examined.
const MAX_THREADS: usize = 64;
/// Distance from `ob_type` to `PyTypeObject.tp_name`, which follows the type and the size
/// of `PyVarObject`.
const NAME_BEHIND_TYPE: u64 = 16;
/// What `tp_name` of `PyCode_Type` points to (Objects/codeobject.c).
const NAME: &[u8] = b"code\0";

/// Returns the address of `PyCode_Type`; `None` while no thread runs Python code.
pub(crate) fn find(
    memory: &impl UserMemory,
    layout: &InterpreterLayout,
    runtime: u64,
) -> Option<u64> {
    let states = thread_states(memory, layout, runtime);
    let mut states = states.iter().take(MAX_THREADS);
    states.find_map(|state| of_thread(memory, layout, state.address))
}

fn of_thread(memory: &impl UserMemory, layout: &InterpreterLayout, state: u64) -> Option<u64> {
    let thread = &layout.thread;
    let at = |base: u64, offset: u16| memory.read_u64(base.wrapping_add(offset.into())).ok();
    let mut frame = at(state, thread.frame_head)?;
    if thread.head_kind == FrameHead::CFrame as u8 {
        frame = at(frame, thread.cframe_current_frame)?;
    }
    let mut window = Window::zeroed();
    for _ in 0..MAX_FRAMES {
        window
            .load(memory, frame, layout.frame.read_size)
            .ok()
            .filter(|()| frame != 0)?;
        let executable = window.u64_at(layout.frame.executable) & !u64::from(layout.frame.tag_mask);
        if let Some(kind) = at(executable, layout.object.ob_type)
            && is_code_type(memory, layout, kind)
        {
            return Some(kind);
        }
        frame = window.u64_at(layout.frame.previous);
    }
    None
}

fn is_code_type(memory: &impl UserMemory, layout: &InterpreterLayout, kind: u64) -> bool {
    let name = u64::from(layout.object.ob_type) + NAME_BEHIND_TYPE;
    let mut text = [0; NAME.len()];
    memory
        .read_u64(kind.wrapping_add(name))
        .and_then(|name| memory.read_bytes(name, &mut text))
        .is_ok_and(|()| text == NAME)
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
    const STATE: u64 = 0x30_0000;
    const FRAME: u64 = 0x40_0000;
    const NONE: u64 = 0x50_0000;
    const CODE: u64 = 0x60_0000;
    const TYPES: [u64; 2] = [0x70_0000, 0x80_0000];
    const NAMES: [u64; 2] = [0x90_0000, 0xa0_0000];

    /// Memory of words: zero where none is set.
    struct Words(HashMap<u64, u64>);

    impl UserMemory for Words {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            for (at, byte) in (address..).zip(destination) {
                let word = self.0.get(&(at & !7)).copied().unwrap_or(0);
                *byte = word.to_le_bytes()[at as usize & 7];
            }
            Ok(())
        }
    }

    /// Searches a thread whose innermost frame holds no code, and whose next one does.
    fn process(name: &[u8; 8]) -> Option<u64> {
        let layout = row(PythonVersion::minor_only(3, 13)).expect("known").layout;
        let far = |offset: u16| u64::from(offset);
        let thread = &layout.thread;
        let words = [
            (RUNTIME + far(layout.runtime.interpreters_head), INTERPRETER),
            (INTERPRETER + far(layout.runtime.interp_threads_head), STATE),
            (STATE + far(thread.thread_id), 0x7f00),
            (
                STATE + (far(thread.status) & !7),
                8 << (8 * (far(thread.status) & 7)),
            ),
            (STATE + far(thread.frame_head), FRAME),
            (FRAME + far(layout.frame.executable), NONE),
            (FRAME + far(layout.frame.previous), FRAME + 0x1000),
            (FRAME + 0x1000 + far(layout.frame.executable), CODE),
            (NONE + far(layout.object.ob_type), TYPES[0]),
            (CODE + far(layout.object.ob_type), TYPES[1]),
            (TYPES[0] + 24, NAMES[0]),
            (TYPES[1] + 24, NAMES[1]),
            (NAMES[0], u64::from_le_bytes(*b"NoneType")),
            (NAMES[1], u64::from_le_bytes(*name)),
        ];
        find(&Words(words.into()), &layout, RUNTIME)
    }

    #[test]
    fn a_type_counts_by_its_own_name() {
        assert_eq!(process(b"code\0\0\0\0"), Some(TYPES[1]));
        assert_eq!(process(b"codec\0\0\0"), None);
        assert_eq!(process(b"frame\0\0\0"), None);
    }
}
