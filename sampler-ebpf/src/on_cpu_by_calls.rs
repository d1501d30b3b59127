// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! The tick on kernels without `bpf_loop` (before Linux 5.17): takes the same sample by
//! the same steps, each of them a function that the verifier checks by itself.
//!
//! The verifier follows a plain loop iteration by iteration, and a walk has up to two
//! thousand iterations of about a hundred instructions. A function of global linkage
//! (Linux 5.6) is checked once, for any content of memory; a call of it is then a single
//! instruction. Such a function gets no pointers (before 5.12), so each looks up the
//! memory of this tick, and none holds a reference into it while it calls another.

use aya_ebpf::macros::perf_event;
use aya_ebpf::programs::PerfEventContext;
use sampler_common::memory::{Next, Step as _};
use sampler_common::thread_state::{self, MAX_SEARCHED, SearchStep};
use sampler_common::walk::{Codes, MAX_STEPS, MAX_UNKNOWN, WalkStep};

use crate::capture::{self, DescribeStep, KnownTable};
use crate::maps::{Sampling, Scratch, StepContext, step_context, tick_scratch};
use crate::memory::CurrentTask;
use crate::on_cpu::{begin, end, interrupted, no_memory};

/// What the functions here return: whether another step is wanted.
const CONTINUE: u64 = 1;
const STOP: u64 = 0;

/// As `on_cpu`.
#[perf_event]
fn on_cpu_by_calls(context: PerfEventContext) -> u32 {
    let Some((config, thread)) = interrupted(&context) else {
        return 0;
    };
    let Some((mut scratch, shared)) = tick_memory() else {
        no_memory(config);
        return 0;
    };
    begin(&mut scratch, config, &thread, &context);
    // SAFETY: the two are elements of different maps. An assignment would copy bytes that
    // may overlap, which is compiled to a call.
    unsafe { core::ptr::copy_nonoverlapping(config, &raw mut shared.config, 1) };
    shared.thread_pointer = thread.pointer;
    if find_thread_state() == CONTINUE {
        walk_frames();
    }
    describe_new_code();
    send_sample();
    0
}

#[inline(always)]
fn tick_memory() -> Option<(Scratch, &'static mut StepContext)> {
    Some((tick_scratch()?, step_context()?))
}

/// Finds the thread's state. Returns whether there is one.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_thread_state() -> u64 {
    match begin_search() {
        LISTED => {}
        other => return other,
    }
    for _ in 0..MAX_SEARCHED {
        if search_step() == STOP {
            break;
        }
    }
    end_search()
}

/// The thread's state, if it has one, is in the list of all.
const LISTED: u64 = 2;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn begin_search() -> u64 {
    let Some((scratch, shared)) = tick_memory() else {
        return STOP;
    };
    let Sampling { sample, search, .. } = scratch.sampling;
    let StepContext {
        config,
        thread_pointer,
    } = shared;
    match thread_state::begin(&CurrentTask, config, *thread_pointer, 0, search) {
        Ok(Some(state)) => {
            sample.header.thread_state = state;
            CONTINUE
        }
        Ok(None) => LISTED,
        Err(reason) => {
            sample.header.stop = reason as u32;
            sample.header.stop_address = search.unread;
            STOP
        }
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn search_step() -> u64 {
    let Some((scratch, shared)) = tick_memory() else {
        return STOP;
    };
    let mut step = SearchStep {
        memory: &CurrentTask,
        layout: &shared.config.layout,
        thread_pointer: shared.thread_pointer,
        search: &mut scratch.sampling.search,
    };
    wanted(step.step())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn end_search() -> u64 {
    let Some((scratch, shared)) = tick_memory() else {
        return STOP;
    };
    let Sampling { sample, search, .. } = scratch.sampling;
    let layout = &shared.config.layout;
    match thread_state::end(&CurrentTask, layout, shared.thread_pointer, search) {
        Ok(state) => {
            sample.header.thread_state = state;
            CONTINUE
        }
        Err(reason) => {
            sample.header.stop = reason as u32;
            sample.header.stop_address = search.unread;
            STOP
        }
    }
}

/// Walks the thread whose state was found.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_frames() -> u64 {
    if begin_walk() == CONTINUE {
        for _ in 0..MAX_STEPS {
            if walk_step() == STOP {
                break;
            }
        }
    }
    end_walk()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn begin_walk() -> u64 {
    let Some((scratch, shared)) = tick_memory() else {
        return STOP;
    };
    let Sampling { walk, search, .. } = scratch.sampling;
    let config = &shared.config;
    wanted(walk.begin(&CurrentTask, config, scratch.cache, &search.state))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_step() -> u64 {
    let Some((scratch, shared)) = tick_memory() else {
        return STOP;
    };
    let Sampling { sample, walk, .. } = scratch.sampling;
    let mut step = WalkStep {
        memory: &CurrentTask,
        config: &shared.config,
        codes: Codes {
            known: &KnownTable,
            cache: scratch.cache,
        },
        walk,
        frames: &mut sample.frames,
    };
    wanted(step.step())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn end_walk() -> u64 {
    let Some(scratch) = tick_scratch() else {
        return STOP;
    };
    let Sampling { sample, walk, .. } = scratch.sampling;
    walk.close();
    capture::note_walk(&mut sample.header, walk);
    STOP
}

/// Sends the names of the code objects that are new in this sample.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn describe_new_code() -> u64 {
    let Some(mut scratch) = tick_scratch() else {
        return STOP;
    };
    if !capture::begin_describing(&mut scratch) {
        return STOP;
    }
    for _ in 0..MAX_UNKNOWN {
        if describe_step() == STOP {
            break;
        }
    }
    STOP
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn describe_step() -> u64 {
    let Some((scratch, shared)) = tick_memory() else {
        return STOP;
    };
    let mut step = DescribeStep {
        memory: &CurrentTask,
        config: &shared.config,
        sampling: scratch.sampling,
        describing: scratch.describing,
    };
    wanted(step.step())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn send_sample() -> u64 {
    let Some(scratch) = tick_scratch() else {
        return STOP;
    };
    let is_sent = capture::deliver(&scratch);
    end(&scratch);
    u64::from(is_sent)
}

#[inline(always)]
fn wanted(next: Next) -> u64 {
    match next {
        Next::Continue => CONTINUE,
        Next::Stop => STOP,
    }
}
