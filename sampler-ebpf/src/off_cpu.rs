//! The entry point of a pass over the threads that are off CPU. It refuses to
//! walk one that runs: its stack changes meanwhile, and its own CPU's ticks
//! sample it.
//!
//! A thread's count of switches moves whenever it leaves a CPU. If it is the same
//! before and after a walk, and the thread is off CPU both times, it has not run
//! in between and the stack is whole.

use core::ffi::c_void;

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_task_pt_regs};
use sampler_common::counter::Counter;
use sampler_common::layout::ABSENT;
use sampler_common::process::{ProcessConfig, ProcessState};
use sampler_common::stop::StopReason;
use sampler_common::wait::{Origin, WaitFacts};

use crate::capture::{self, Thread};
use crate::maps::{
    Fate, PROCESSES, Scratch, SeenThread, THREADS, count, count_of, gil_of_pass, last_on_cpu,
    scratch_of_pass,
};
use crate::memory::RemoteTask;
use crate::task::PassedTask;

/// `struct bpf_iter__task` (`kernel/bpf/task_iter.c`).
#[repr(C)]
struct IteratorContext {
    meta: *mut c_void,
    task: *mut task_struct,
}

/// `__NR_futex` of x86_64.
const FUTEX: i32 = 202;
/// Offsets in `struct pt_regs` of x86_64 (`arch/x86/include/asm/ptrace.h`).
const FIRST_ARGUMENT: usize = 112;
const SYSTEM_CALL: usize = 120;

/// Looks at one thread of the host, once for each of a pass (Linux 5.18).
#[unsafe(link_section = "iter.s/task")]
#[unsafe(no_mangle)]
extern "C" fn off_cpu(context: *mut IteratorContext) -> i32 {
    // SAFETY: the kernel passes a valid context.
    let task = unsafe { (*context).task };
    if task.is_null() {
        return 0;
    }
    let passed = PassedTask(task);
    let Some(tgid) = passed.tgid() else {
        count(Counter::TaskFault);
        return 0;
    };
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable. If its process
    // ended meanwhile it may turn into another's; then the sample's key and tgid
    // disagree, which user space checks.
    let config = unsafe { &*config };
    let has_program = !passed.is_exiting() && !passed.is_io_worker();
    if config.state == ProcessState::Sampled as u32 && has_program {
        look(passed, config, tgid);
    }
    0
}

#[inline(always)]
fn look(task: PassedTask, config: &ProcessConfig, tgid: u32) {
    if task.is_running() {
        return count(Counter::PassedRunning);
    }
    let Some(tid) = task.tid() else {
        return count(Counter::TaskFault);
    };
    let mut now = SeenThread {
        start_time: task.start_time(),
        switches: task.switches(),
        task_state: u64::from(task.state()),
        thread_state: 0,
    };
    let mut origin = Origin::OffCpu;
    let seen = THREADS.get_ptr_mut(tid);
    if let Some(before) = seen {
        // SAFETY: an element of a preallocated map stays readable; only passes
        // change it.
        let before = unsafe { *before };
        if before.start_time == now.start_time {
            now.thread_state = before.thread_state;
            if before == now {
                return count(Counter::Unchanged);
            }
            if before.switches == now.switches {
                origin = Origin::OffCpuSameStack;
            }
        }
    }
    if was_sampled_by_tick(task, tid) {
        return count(Counter::AlreadySampled);
    }
    let key = config.key;
    count(Counter::Taken);
    count_of(key, Fate::Taken);
    let anonymous = task.as_task();
    let (Some(pointer), Some(comm)) = (anonymous.thread_pointer(), anonymous.comm()) else {
        count(Counter::Unreadable);
        count_of(key, Fate::Unreadable);
        return count(Counter::TaskFault);
    };
    let Some(mut scratch) = scratch_of_pass() else {
        count(Counter::Unreadable);
        count_of(key, Fate::Unreadable);
        return count(Counter::NoScratch);
    };
    let thread = Thread {
        tgid,
        tid,
        pointer,
        comm,
        thread_state: now.thread_state,
    };
    let memory = RemoteTask(task.0);
    capture::begin(
        scratch.sampling,
        config,
        &thread,
        facts(task, now.task_state as u32, origin),
    );
    if origin == Origin::OffCpu {
        capture::walk(&memory, config, &thread, &mut scratch);
        now.thread_state = scratch.sampling.sample.header.thread_state;
        add_gil(&memory, config, &mut scratch);
        if task.is_running() || task.switches() != now.switches {
            let header = &mut scratch.sampling.sample.header;
            header.stop = StopReason::Moved as u32;
            header.frame_count = 0;
        }
        // SAFETY: the helper has no preconditions.
        scratch.sampling.sample.header.time = unsafe { bpf_ktime_get_ns() };
    }
    // Not worth remembering: what comes of the next look is another thing.
    let stop = scratch.sampling.sample.header.stop;
    let is_open = stop == StopReason::Moved as u32
        || stop == StopReason::NoThreadState as u32 && lacks_slot(config);
    let is_sent = capture::finish(&memory, config, &mut scratch);
    if !is_sent || is_open {
        return;
    }
    match seen {
        // SAFETY: an element of a preallocated map stays writable; only passes
        // write it. The thread may have ended and its element be another's by
        // now: then that one's start time differs, and it is looked at anew.
        Some(seen) => unsafe { *seen = now },
        None if THREADS.insert(tid, now, 0).is_err() => count(Counter::ThreadTableFull),
        // Its end takes it out of the table, and may just have done so.
        None if task.is_exiting() => {
            let _ = THREADS.remove(tid);
        }
        None => {}
    }
}

/// Whether the way to a thread's state is not known yet (3.15), so that one may
/// have been missed in a long list.
#[inline(always)]
fn lacks_slot(config: &ProcessConfig) -> bool {
    config.tls_offset == 0 && config.layout.runtime.tss_struct == ABSENT
}

/// Whether the thread ran when this tick came, and has its sample: it has left
/// its CPU since, perhaps because this very pass wanted it.
#[inline(always)]
fn was_sampled_by_tick(task: PassedTask, tid: u32) -> bool {
    let Some(last) = last_on_cpu(task.cpu()) else {
        return false;
    };
    // SAFETY: an element of an array stays readable. Its CPU may write it just
    // now; then the thread is another one, or is sampled twice.
    let last = unsafe { core::ptr::read_volatile(last) };
    // SAFETY: the helper has no preconditions.
    let age = unsafe { bpf_ktime_get_ns() }.wrapping_sub(last.time);
    last.tid == tid && age < half_period()
}

/// Half of the time between two ticks, in nanoseconds. Set before loading.
#[unsafe(no_mangle)]
static HALF_PERIOD: u32 = 0;

#[inline(always)]
fn half_period() -> u64 {
    // SAFETY: a reference is valid to read; volatile, since the loader replaces
    // the value that the compiler sees.
    u64::from(unsafe { core::ptr::read_volatile(&raw const HALF_PERIOD) })
}

/// Why the thread waits, as far as the kernel knows.
#[inline(always)]
fn facts(task: PassedTask, task_state: u32, origin: Origin) -> WaitFacts {
    // SAFETY: the helper takes the task of the iterator, and what it returns may
    // be read as the registers at the thread's entry into the kernel.
    let (syscall, argument) = unsafe {
        let registers = bpf_task_pt_regs(task.0) as *const u8;
        (
            *registers.add(SYSTEM_CALL).cast::<u64>(),
            *registers.add(FIRST_ARGUMENT).cast::<u64>(),
        )
    };
    WaitFacts {
        origin: origin as u32,
        task_state,
        syscall: syscall as i32,
        reserved: 0,
        argument,
        gil: 0,
    }
}

/// Adds where the GIL is, for a thread that waits for a futex.
#[inline(always)]
fn add_gil(memory: &RemoteTask, config: &ProcessConfig, scratch: &mut Scratch) {
    let header = &mut scratch.sampling.sample.header;
    if header.wait.syscall == FUTEX
        && header.thread_state != 0
        && let Some(known) = gil_of_pass()
    {
        let state = &scratch.sampling.search.state;
        header.wait.gil = known.address(memory, config, state, header.time);
    }
}
