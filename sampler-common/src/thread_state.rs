// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the `PyThreadState` of one thread, given its thread pointer. No route to it is
//! trusted: a candidate counts only if its own `thread_id` is that thread pointer.
//!
//! On x86_64, `PyThreadState.thread_id` is `pthread_self()`, which is the thread pointer
//! (`fsbase`) with glibc and with musl.

use crate::layout::{ABSENT, InterpreterLayout};
use crate::memory::{MemoryFault, Next, Step, UserMemory};
use crate::process::ProcessConfig;
use crate::stop::StopReason;
use crate::window::Window;

/// The most steps of the search through all thread states. One step looks at one state,
/// or enters the next interpreter.
pub const MAX_SEARCHED: u32 = 512;

/// Offset from a thread's thread pointer to the pointer to its `dtv` (glibc x86_64:
/// `tcbhead_t.dtv`).
pub const DTV: u64 = 8;
/// Bytes of an entry of a `dtv` (glibc x86_64: `dtv_t`).
pub const DTV_ENTRY: u64 = 16;

/// `_status.bound_gilstate` (from 3.12): set in the state that the thread's slot holds.
const BOUND_GILSTATE: u32 = 8;
/// The number of keys whose values glibc keeps inside `struct pthread`. The values of
/// other keys are in blocks of the same size, behind pointers.
pub const INLINE_KEYS: u32 = 32;
/// `PTHREAD_KEYS_MAX` of glibc; musl has fewer.
const MAX_KEYS: u32 = 1024;

/// Memory of a search, which is too large for a BPF stack.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Search {
    /// A copy of the thread state that was found.
    pub state: Window,
    interpreter: u64,
    candidate: u64,
    found: u64,
    /// The address of a place that may hold the state but could not be read, or 0.
    pub unread: u64,
}

impl Search {
    /// Empty memory.
    pub const fn zeroed() -> Self {
        Self {
            state: Window::zeroed(),
            interpreter: 0,
            candidate: 0,
            found: 0,
            unread: 0,
        }
    }
}

/// Returns the address of the thread state, and leaves its copy in `search.state`. `hint`
/// is its address at the last sample, or 0. `thread_pointer` is 0 for a thread that has
/// none, and hence no Python.
///
/// # Errors
/// [`StopReason::NoThreadState`] for a thread that never ran Python,
/// [`StopReason::TooManyThreads`] when that could not be found out,
/// [`StopReason::NotInitialised`] or [`StopReason::Fault`] when the runtime cannot tell.
/// The latter is returned as well when a place that may hold the state could not be read.
#[inline(always)]
pub fn find<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    thread_pointer: u64,
    hint: u64,
    search: &mut Search,
) -> Result<u64, StopReason> {
    if let Some(found) = begin(memory, config, thread_pointer, hint, search)? {
        return Ok(found);
    }
    let layout = &config.layout;
    memory.repeat(
        MAX_SEARCHED,
        &mut SearchStep {
            memory,
            layout,
            thread_pointer,
            search,
        },
    );
    end(memory, layout, thread_pointer, search)
}

/// Does what [`find`] does before it steps through the list of all thread states. Returns
/// `None` when the list has to be searched: by at most [`MAX_SEARCHED`] [`SearchStep`]s
/// and then [`end`].
///
/// # Errors
/// As [`find`].
#[inline(always)]
pub fn begin<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    thread_pointer: u64,
    hint: u64,
    search: &mut Search,
) -> Result<Option<u64>, StopReason> {
    let layout = &config.layout;
    search.unread = 0;
    if thread_pointer == 0 {
        return Err(StopReason::NoThreadState);
    }
    // A state that is freed, or that its thread has left for one of another interpreter,
    // loses this mark first (`unbind_gilstate_tstate`, Python/pystate.c of 3.12 and
    // later).
    if hint != 0
        && layout.thread.status != ABSENT
        && let Some(found) = load(memory, layout, Ok(hint), thread_pointer, search)
        && search.state.u32_at(layout.thread.status) & BOUND_GILSTATE != 0
    {
        return Ok(Some(found));
    }
    // Up to 3.11 the slot keeps the thread's first state even while the thread runs in a
    // subinterpreter. The holder of the GIL is right even then.
    if layout.runtime.tstate_current != ABSENT {
        let at = config
            .runtime
            .wrapping_add(u64::from(layout.runtime.tstate_current));
        if let Some(found) = load(memory, layout, memory.read_u64(at), thread_pointer, search) {
            return Ok(Some(found));
        }
    }
    if config.tls_offset != 0 {
        let slot = local_slot(memory, config, thread_pointer);
        if let Some(found) = load(memory, layout, slot, thread_pointer, search) {
            return Ok(Some(found));
        }
        if let Err(fault) = slot {
            search.unread = fault.address.max(1);
        }
    }
    if layout.runtime.tss_struct != ABSENT {
        match specific_slot(memory, config, thread_pointer)? {
            Some(0) => return Err(StopReason::NoThreadState),
            Some(state) => {
                if let Some(found) = load(memory, layout, Ok(state), thread_pointer, search) {
                    return Ok(Some(found));
                }
            }
            None => {}
        }
    }
    begin_list(memory, config, search)?;
    Ok(None)
}

/// Returns the value of the thread-local slot. The slot of a library that was loaded late
/// is in memory that each thread has for that library: `dtv[module]` (glibc,
/// sysdeps/generic/dl-dtv.h).
#[inline(always)]
fn local_slot<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    thread_pointer: u64,
) -> Result<u64, MemoryFault> {
    let mut block = thread_pointer;
    if config.tls_module != 0 {
        let vector = memory.read_u64(thread_pointer.wrapping_add(DTV))?;
        let entry = u64::from(config.tls_module) * DTV_ENTRY;
        block = memory.read_u64(vector.wrapping_add(entry))?;
    }
    memory.read_u64(block.wrapping_add_signed(config.tls_offset))
}

/// Returns the value of the thread's slot for `autoTSSkey`; `None` when the slot cannot
/// be found, because the C library is not known, or cannot be read.
///
/// # Errors
/// [`StopReason::NotInitialised`] when there is no key yet, or no longer;
/// [`StopReason::Fault`] when the way to the slot cannot be read.
#[inline(always)]
pub fn specific_slot<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    thread_pointer: u64,
) -> Result<Option<u64>, StopReason> {
    let at = config
        .runtime
        .wrapping_add(u64::from(config.layout.runtime.tss_struct));
    let key = memory.read_u64(at).map_err(|_| StopReason::Fault)?;
    let initialised = key as u32;
    let key = (key >> 32) as u32;
    if initialised == 0 {
        return Err(StopReason::NotInitialised);
    }
    let place = &config.thread_specific;
    if key >= MAX_KEYS || place.stride == 0 {
        return Ok(None);
    }
    let stride = u64::from(place.stride);
    let mut array = thread_pointer.wrapping_add(u64::from(place.offset));
    let mut index = u64::from(key);
    if place.indirect != 0 {
        array = memory.read_u64(array).map_err(|_| StopReason::Fault)?;
    } else if key >= INLINE_KEYS {
        // struct pthread: `specific_1stblock`, then `specific`, an array of pointers to
        // blocks, the first of which points to `specific_1stblock`.
        let inline = u64::from(INLINE_KEYS);
        let block = array.wrapping_add(inline * stride + 8 * (index / inline));
        array = memory.read_u64(block).map_err(|_| StopReason::Fault)?;
        if array == 0 {
            return Ok(Some(0));
        }
        index %= inline;
    }
    let entry = array.wrapping_add(index * stride);
    Ok(memory
        .read_u64(entry.wrapping_add(u64::from(place.value)))
        .ok())
}

/// Copies the thread state at `candidate`, and returns its address if it belongs to this
/// thread.
#[inline(always)]
fn load<M: UserMemory>(
    memory: &M,
    layout: &InterpreterLayout,
    candidate: Result<u64, MemoryFault>,
    thread_pointer: u64,
    search: &mut Search,
) -> Option<u64> {
    let candidate = candidate.ok().filter(|address| *address != 0)?;
    search
        .state
        .load(memory, candidate, layout.thread.read_size)
        .ok()?;
    let belongs = search.state.u64_at(layout.thread.thread_id) == thread_pointer
        && search.state.u64_at(layout.thread.interp) != 0;
    belongs.then_some(candidate)
}

/// Begins the search through every thread state of every interpreter. Other threads may
/// change the list during the search, so this is the last resort.
#[inline(always)]
fn begin_list<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    search: &mut Search,
) -> Result<(), StopReason> {
    let head = config
        .runtime
        .wrapping_add(u64::from(config.layout.runtime.interpreters_head));
    search.interpreter = memory.read_u64(head).map_err(|_| StopReason::Fault)?;
    search.candidate = 0;
    search.found = 0;
    if search.interpreter == 0 {
        return Err(StopReason::NotInitialised);
    }
    Ok(())
}

/// Returns what the search through the list of all thread states found, as [`find`] does.
///
/// # Errors
/// [`StopReason::NoThreadState`]; where there may be a state nevertheless,
/// [`StopReason::Fault`] when something could not be read on the way,
/// [`StopReason::TooManyThreads`] when the search did not reach the end of the list.
#[inline(always)]
pub fn end<M: UserMemory>(
    memory: &M,
    layout: &InterpreterLayout,
    thread_pointer: u64,
    search: &mut Search,
) -> Result<u64, StopReason> {
    let found = search.found;
    if let Some(found) = load(memory, layout, Ok(found), thread_pointer, search) {
        return Ok(found);
    }
    if search.unread != 0 {
        return Err(StopReason::Fault);
    }
    let is_at_its_end = search.candidate == 0 && search.interpreter == 0;
    // A state that was found does not belong to the thread after all.
    Err(match is_at_its_end || found != 0 {
        true => StopReason::NoThreadState,
        false => StopReason::TooManyThreads,
    })
}

/// One step of the search through the list of all thread states. What changes from step
/// to step is in `search`.
pub struct SearchStep<'a, M> {
    /// The memory of the process.
    pub memory: &'a M,
    /// Its interpreter's layout.
    pub layout: &'a InterpreterLayout,
    /// The thread pointer of the thread whose state is searched for.
    pub thread_pointer: u64,
    /// The state of the search.
    pub search: &'a mut Search,
}

impl<M: UserMemory> Step for SearchStep<'_, M> {
    /// Looks at one thread state, or enters the next interpreter.
    #[inline(always)]
    fn step(&mut self) -> Next {
        let runtime = &self.layout.runtime;
        let search = &mut *self.search;
        if search.candidate == 0 {
            if search.interpreter == 0 {
                return Next::Stop;
            }
            let interpreter = search.interpreter;
            let threads = interpreter.wrapping_add(u64::from(runtime.interp_threads_head));
            let next = interpreter.wrapping_add(u64::from(runtime.interp_next));
            let (Ok(threads), Ok(next)) =
                (self.memory.read_u64(threads), self.memory.read_u64(next))
            else {
                search.unread = threads.max(1);
                return Next::Stop;
            };
            search.candidate = threads;
            search.interpreter = next;
            return Next::Continue;
        }
        let thread = &self.layout.thread;
        let candidate = search.candidate;
        if search
            .state
            .load(self.memory, candidate, thread.read_size)
            .is_err()
        {
            search.unread = candidate.max(1);
            return Next::Stop;
        }
        search.candidate = search.state.u64_at(thread.next);
        if search.state.u64_at(thread.thread_id) != self.thread_pointer {
            return Next::Continue;
        }
        search.found = candidate;
        let is_surely_it = if thread.status == ABSENT {
            search.state.u64_at(thread.frame_head) != 0
        } else {
            search.state.u32_at(thread.status) & BOUND_GILSTATE != 0
        };
        if is_surely_it {
            Next::Stop
        } else {
            Next::Continue
        }
    }
}

#[cfg(test)]
mod tests;
