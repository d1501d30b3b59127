//! Finds the `PyThreadState` of one thread, given its thread pointer. It refuses
//! to trust any route: a candidate counts only if its own `thread_id` is that
//! thread pointer.
//!
//! On x86_64, `PyThreadState.thread_id` is `pthread_self()`, which is the thread
//! pointer (`fsbase`) with glibc and with musl.

use crate::layout::{ABSENT, InterpreterLayout};
use crate::memory::{Next, Step, UserMemory};
use crate::process::ProcessConfig;
use crate::stop::StopReason;
use crate::window::Window;

/// Most thread states that the search through all of them looks at.
pub const MAX_SEARCHED: u32 = 512;

/// `_status.bound_gilstate` (3.12 on): the state that this thread's slot holds.
const BOUND_GILSTATE: u32 = 8;
/// Keys that glibc keeps inside `struct pthread`; others are behind a pointer.
pub const INLINE_KEYS: u32 = 32;

/// Memory of a search that does not fit a BPF stack.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Search {
    /// The thread state that was found.
    pub state: Window,
    interpreter: u64,
    candidate: u64,
    found: u64,
    /// Not 0 when a place that may hold the state could not be read.
    unread: u64,
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

/// The address of the thread state, whose copy is then in `search.state`. `hint`
/// is where it was the last time, or 0.
///
/// # Errors
/// [`StopReason::NoThreadState`] for a thread that never ran Python,
/// [`StopReason::NotInitialised`] or [`StopReason::Fault`] when the runtime
/// cannot tell, the latter also when a place that may hold the state is not in
/// memory. `thread_pointer` is 0 for a thread that has none, and no Python.
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

/// What [`find`] does before it steps through the list of all thread states.
/// `None` when the list has to be gone through: by at most [`MAX_SEARCHED`]
/// [`SearchStep`]s and then [`end`].
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
    // A state that is freed, or that its thread has left for another
    // interpreter's, loses this mark first (`unbind_gilstate_tstate`,
    // Python/pystate.c of 3.12 and later).
    if hint != 0
        && layout.thread.status != ABSENT
        && let Some(found) = load(memory, layout, Ok(hint), thread_pointer, search)
        && search.state.u32_at(layout.thread.status) & BOUND_GILSTATE != 0
    {
        return Ok(Some(found));
    }
    // To 3.11 the slot keeps the thread's first state, also while it runs in a
    // subinterpreter. The holder of the GIL is right there too.
    if layout.runtime.tstate_current != ABSENT {
        let at = config
            .runtime
            .wrapping_add(u64::from(layout.runtime.tstate_current));
        if let Some(found) = load(memory, layout, memory.read_u64(at), thread_pointer, search) {
            return Ok(Some(found));
        }
    }
    if config.tls_offset != 0 {
        let slot = memory.read_u64(thread_pointer.wrapping_add_signed(config.tls_offset));
        if let Some(found) = load(memory, layout, slot, thread_pointer, search) {
            return Ok(Some(found));
        }
        search.unread |= u64::from(slot.is_err());
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

/// The value of the thread's slot of `autoTSSkey`; `None` when that slot cannot
/// be found, because its key is large or the C library is not known.
#[inline(always)]
fn specific_slot<M: UserMemory>(
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
    if key >= INLINE_KEYS || place.stride == 0 {
        return Ok(None);
    }
    let mut array = thread_pointer.wrapping_add(u64::from(place.offset));
    if place.indirect != 0 {
        array = memory.read_u64(array).map_err(|_| StopReason::Fault)?;
    }
    let entry = array.wrapping_add(u64::from(key) * u64::from(place.stride));
    Ok(memory
        .read_u64(entry.wrapping_add(u64::from(place.value)))
        .ok())
}

/// Copies the thread state `candidate` and returns it if it is this thread's.
#[inline(always)]
fn load<M: UserMemory>(
    memory: &M,
    layout: &InterpreterLayout,
    candidate: Result<u64, crate::memory::MemoryFault>,
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

/// Begins to look at every thread state of every interpreter. Other threads may
/// change the list meanwhile, so this is the last resort.
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

/// What was found in the list of all thread states, as [`find`] gives it.
///
/// # Errors
/// [`StopReason::NoThreadState`], or [`StopReason::Fault`] when something could
/// not be read on the way, so that there may be one.
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
    Err(match search.unread {
        0 => StopReason::NoThreadState,
        _ => StopReason::Fault,
    })
}

/// One look at one thread state of the list of all. What changes from step to
/// step is in `search`.
pub struct SearchStep<'a, M> {
    /// The memory of the process.
    pub memory: &'a M,
    /// Its interpreter's layout.
    pub layout: &'a InterpreterLayout,
    /// The thread that is looked for.
    pub thread_pointer: u64,
    /// The search.
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
                search.unread = 1;
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
            search.unread = 1;
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
