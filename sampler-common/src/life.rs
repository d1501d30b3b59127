// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells which life of which interpreter a thread runs in. The number that an interpreter
//! gives to a code object is unique in the process only together with that life.
//!
//! From 3.13 every interpreter counts its code objects from the beginning, and a new one
//! may lie where an ended one was, with all of its objects at the same addresses. Its
//! `id` differs. After `Py_Finalize` and `Py_Initialize` everything begins anew,
//! including the ids, but the runtime gives back a key of the C library's thread-specific
//! data and takes another: glibc counts how often each key was taken and given back, and
//! never lowers that count (`__pthread_keys[key].seq`, nptl/pthread_key_create.c). The
//! sum of the counts does not change during one life of the runtime, unless other code
//! takes keys.

use bytemuck::{Pod, Zeroable};

use crate::hash::mix;
use crate::memory::UserMemory;
use crate::process::ProcessConfig;
use crate::window::{WINDOW_SIZE, Window};

/// The number of keys whose counts are added up.
pub const KEYS: usize = WINDOW_SIZE / KEY_SIZE;
/// Bytes of `struct pthread_key_struct`: `seq` and `destr`.
pub const KEY_SIZE: usize = 16;

/// One life of one interpreter in one life of a process. Where the whole process shares
/// its numbers (up to 3.12), the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct InterpreterLife(pub u64);

impl InterpreterLife {
    /// Returns the current life of the interpreter at `interpreter`. Overwrites `window`.
    #[inline(always)]
    pub fn read<M: UserMemory>(
        memory: &M,
        config: &ProcessConfig,
        interpreter: u64,
        window: &mut Window,
    ) -> Self {
        let place = &config.life;
        let mut life = config.key.0;
        if place.interp_id == 0 {
            return Self(life);
        }
        if interpreter.wrapping_sub(config.runtime) >= u64::from(place.runtime_size) {
            let id = interpreter.wrapping_add(u64::from(place.interp_id));
            life = mix(life, memory.read_u64(id).unwrap_or(u64::MAX));
        }
        if place.key_counts != 0
            && window
                .load(memory, place.key_counts, WINDOW_SIZE as u16)
                .is_ok()
        {
            let mut changes = 0_u64;
            for key in 0..KEYS {
                changes = changes.wrapping_add(window.u64_at((key * KEY_SIZE) as u16));
            }
            life = mix(life, changes);
        }
        Self(life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{LifePlace, ProcessKey};
    use crate::test_memory::{BASE, TestMemory, config};

    const INTERPRETER: u64 = BASE + 0x400;
    const ID: u16 = 0x40;
    const COUNTS: u64 = BASE + 0x800;

    fn process() -> (TestMemory, ProcessConfig) {
        let mut config = config();
        config.life = LifePlace {
            key_counts: COUNTS,
            runtime_size: 0x200,
            interp_id: u32::from(ID),
        };
        (TestMemory::new(0x1000), config)
    }

    fn life(memory: &TestMemory, config: &ProcessConfig, interpreter: u64) -> InterpreterLife {
        InterpreterLife::read(memory, config, interpreter, &mut Window::zeroed())
    }

    #[test]
    fn another_interpreter_at_the_same_place_has_another_life() {
        let (mut memory, config) = process();
        memory.set(INTERPRETER, ID, 1);
        let first = life(&memory, &config, INTERPRETER);
        assert_eq!(life(&memory, &config, INTERPRETER), first);
        memory.set(INTERPRETER, ID, 2);
        assert_ne!(life(&memory, &config, INTERPRETER), first);
    }

    /// The main interpreter's id is not read: it is 0 in every life.
    #[test]
    fn a_runtime_that_is_initialised_again_has_another_life() {
        let (mut memory, config) = process();
        let main = BASE + 0x100;
        memory.set(COUNTS, 16, 1);
        let first = life(&memory, &config, main);
        memory.set(main, ID, 7);
        assert_eq!(life(&memory, &config, main), first);
        for (key, count) in [(1, 3), (1, 5), (KEYS - 1, 1)] {
            memory.set(COUNTS, (key * KEY_SIZE) as u16, count);
            assert_ne!(life(&memory, &config, main), first, "{key}: {count}");
        }
        // A key's destructor is not a count.
        let last = life(&memory, &config, main);
        memory.set(COUNTS, 8, u64::MAX);
        assert_eq!(life(&memory, &config, main), last);
    }

    #[test]
    fn what_the_whole_process_shares_has_the_life_of_the_process() {
        let (memory, mut config) = process();
        config.life = LifePlace::NONE;
        config.key = ProcessKey(77);
        assert_eq!(life(&memory, &config, INTERPRETER), InterpreterLife(77));
    }

    #[test]
    fn what_cannot_be_read_is_no_reason_to_fail() {
        let (memory, mut config) = process();
        config.life.key_counts = 8;
        config.life.interp_id = 1 << 20;
        let one = life(&memory, &config, INTERPRETER);
        assert_ne!(one, InterpreterLife(config.key.0));
    }
}
