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

use crate::cpython::c_library::{number_in_library, number_places};
use crate::cpython::instance::Instance;

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
