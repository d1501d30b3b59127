// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells which of the kernel's threads each thread state belongs to, without stopping
//! them as a debugger would. A thread whose number neither the C library nor the
//! interpreter knows is left out.
//!
//! `PyThreadState.thread_id` is the address of the C library's own record of the thread,
//! which holds its own address and the number that the kernel gave the thread, in the pid
//! namespace of the process. The kernel sets that number to 0 when the thread ends. The
//! record is there in every version of CPython, even right after a fork. Where it cannot
//! be used, `native_thread_id` (from 3.11) is used instead.

use sampler_common::memory::UserMemory;
use sampler_common::window::Window;

use crate::cpython::instance::{CLibrary, Instance};

/// The most thread states that are read.
const MAX_STATES: usize = 1 << 16;
/// How often the list is read while threads that start or end change it.
const ATTEMPTS: u32 = 5;

/// A thread that has run Python code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonThread {
    /// Its number in the innermost pid namespace that it lives in.
    pub namespace_tid: u32,
    /// `PyThreadState.thread_id`, which is its thread pointer.
    pub thread_pointer: u64,
}

/// Where a C library notes a thread's number, as offsets from the thread pointer.
struct NumberPlace {
    /// A pointer to the record itself.
    own_address: u64,
    /// The number, an `int`.
    number: u64,
}

/// `struct pthread` of glibc: `header.self`, `tid`; the same in 2.31 to 2.43.
const GLIBC: NumberPlace = NumberPlace {
    own_address: 0x10,
    number: 0x2d0,
};

/// `struct pthread` of musl 1.2: `self`, `tid`.
const MUSL: NumberPlace = NumberPlace {
    own_address: 0,
    number: 0x30,
};

/// Returns the places to try. glibc's comes first: it also has a pointer to its record
/// where musl has its own.
fn number_places(c_library: CLibrary) -> &'static [NumberPlace] {
    match c_library {
        CLibrary::Glibc => &[GLIBC],
        CLibrary::Musl => &[MUSL],
        CLibrary::Unknown => &[GLIBC, MUSL],
    }
}

impl Instance {
    /// Returns the threads that have a thread state, each once. The list changes while it
    /// is read; what could be read of it is returned.
    pub fn python_threads(&self, memory: &impl UserMemory) -> Vec<PythonThread> {
        let mut threads = Vec::new();
        for _ in 0..ATTEMPTS {
            let is_whole = self.collect(memory, &mut threads);
            threads.sort_unstable_by_key(|it: &PythonThread| (it.namespace_tid, it.thread_pointer));
            threads.dedup();
            if is_whole {
                break;
            }
        }
        threads
    }

    /// Reads the list once. Returns whether it was consistent.
    fn collect(&self, memory: &impl UserMemory, threads: &mut Vec<PythonThread>) -> bool {
        let layout = &self.runtime.layout;
        let mut state = Window::zeroed();
        let mut seen = 0;
        for interpreter in self.interpreters(memory) {
            let head = interpreter.wrapping_add(layout.runtime.interp_threads_head.into());
            let Ok(mut next) = memory.read_u64(head) else {
                return false;
            };
            while next != 0 {
                seen += 1;
                // Room for `native_thread_id` too.
                let size = layout.thread.read_size.saturating_add(8);
                let is_read = state.load(memory, next, size).is_ok();
                let is_here = is_read && state.u64_at(layout.thread.interp) == interpreter;
                if !is_here || seen > MAX_STATES {
                    return false;
                }
                threads.extend(self.native(memory, &state));
                next = state.u64_at(layout.thread.next);
            }
        }
        true
    }

    fn native(&self, memory: &impl UserMemory, state: &Window) -> Option<PythonThread> {
        let at = self.runtime.layout.thread.thread_id;
        let thread_pointer = state.u64_at(at);
        let mut places = number_places(self.c_library).iter();
        let by_library = places.find_map(|place| number_in_library(memory, place, thread_pointer));
        let by_python = || {
            let native_thread_id = at.checked_add(self.native_thread_id_behind()?)?;
            u32::try_from(state.u64_at(native_thread_id)).ok()
        };
        let namespace_tid = by_library.or_else(by_python)?;
        (namespace_tid != 0).then_some(PythonThread {
            namespace_tid,
            thread_pointer,
        })
    }

    /// Returns the distance of `native_thread_id` from `thread_id`: they are neighbours
    /// (Include/cpython/pystate.h, from 3.11).
    fn native_thread_id_behind(&self) -> Option<u16> {
        (self.runtime.version.minor >= 11).then_some(8)
    }
}

/// Whether the record of a thread is this C library's.
pub(super) fn has_record_of(
    memory: &impl UserMemory,
    c_library: CLibrary,
    thread_pointer: u64,
) -> bool {
    let mut places = number_places(c_library).iter();
    places.any(|place| number_in_library(memory, place, thread_pointer).is_some())
}

/// Reads the number from the C library's record; `None` when this is not its record of a
/// thread.
fn number_in_library(
    memory: &impl UserMemory,
    place: &NumberPlace,
    thread_pointer: u64,
) -> Option<u32> {
    let own_address = memory
        .read_u64(thread_pointer.wrapping_add(place.own_address))
        .ok()?;
    if own_address != thread_pointer {
        return None;
    }
    let mut number = [0; 4];
    memory
        .read_bytes(thread_pointer.wrapping_add(place.number), &mut number)
        .ok()?;
    Some(u32::from_le_bytes(number))
}

#[cfg(test)]
mod tests {
    use sampler_common::memory::MemoryFault;

    use super::*;

    struct Record {
        own_address: u64,
        number: u32,
    }

    const POINTER: u64 = 0x7f00_0000_0740;

    impl UserMemory for Record {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            match address - POINTER {
                0x10 => destination.copy_from_slice(&self.own_address.to_le_bytes()),
                0x2d0 => destination.copy_from_slice(&self.number.to_le_bytes()),
                _ => return Err(MemoryFault { address }),
            }
            Ok(())
        }
    }

    #[test]
    fn a_record_must_know_its_own_address() {
        let told = |own_address, place| {
            let record = Record {
                own_address,
                number: 4711,
            };
            number_in_library(&record, place, POINTER)
        };
        assert_eq!(told(POINTER, &GLIBC), Some(4711));
        assert_eq!(told(POINTER + 8, &GLIBC), None);
        assert_eq!(told(POINTER, &MUSL), None);
    }
}
