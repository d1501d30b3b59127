// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! The entry point of a scan of the off-CPU threads. A scan never walks a running
//! thread: its stack changes during the walk, and the ticks of its own CPU sample it.
//!
//! A tick comes on all CPUs, and then the scan. At the moment of the tick a thread either
//! ran, and has its sample, or it did not, and is sampled here. Each thread is thus
//! counted once per tick.
//!
//! A thread's count of context switches changes whenever it leaves a CPU. If the count is
//! the same before and after a walk, and the thread is off CPU both times, it has not run
//! in between and the stack is whole.

use core::ffi::c_void;

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_task_pt_regs};
use sampler_common::counter::Counter;
use sampler_common::fate::Fate;
use sampler_common::layout::ABSENT;
use sampler_common::off_cpu_time::{OffCpuLedger, OffCpuTime};
use sampler_common::process::{ProcessConfig, ProcessState};
use sampler_common::scan_order::ScanOrder;
use sampler_common::stop::StopReason;
use sampler_common::wait::{NO_SYSCALL, Origin, WaitFacts, telling_argument};

use crate::capture::{self, Thread};
use crate::counts::{add_to, count, record_fate};
use crate::maps::{
    PROCESSES, Scratch, SeenThread, THREADS, last_on_cpu, scan_gil, scan_order, scan_scratch,
};
use crate::memory::RemoteTask;
use crate::task::{IteratedTask, has_queueing};
use crate::unchanged;

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
const SECOND_ARGUMENT: usize = 104;
const SYSTEM_CALL: usize = 120;

/// Samples one thread of the host; in a scan the kernel calls it once for each (Linux
/// 5.18).
#[unsafe(link_section = "iter.s/task")]
#[unsafe(no_mangle)]
extern "C" fn off_cpu(context: *mut IteratorContext) -> i32 {
    // SAFETY: the kernel passes a valid context.
    let task = unsafe { (*context).task };
    if task.is_null() {
        return 0;
    }
    let task = IteratedTask(task);
    let Some(tgid) = task.tgid() else {
        count(Counter::TaskFault);
        return 0;
    };
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable. If its process has ended,
    // the element may by now belong to another; then the sample's key and tgid disagree,
    // which user space checks.
    let config = unsafe { &*config };
    let has_program = !task.is_exiting() && !task.is_io_worker();
    if config.state == ProcessState::Sampled as u32
        && has_program
        && let Some(order) = scan_order()
    {
        sample_thread(task, config, tgid, order);
    }
    0
}

#[inline(always)]
fn sample_thread(task: IteratedTask, config: &ProcessConfig, tgid: u32, order: &ScanOrder) {
    let Some(tid) = task.tid() else {
        return count(Counter::TaskFault);
    };
    let place = THREADS.get_ptr_mut(tid);
    // SAFETY: an element of a preallocated map stays readable.
    let seen = place.filter(|it| unsafe { (**it).start_time } == task.start_time());
    if order.is_last != 0 {
        if let Some(seen) = seen {
            unchanged::tell_rest(task.as_task(), config.key, tgid, tid, seen);
        }
        return;
    }
    let is_running = task.is_running();
    let mut now = SeenThread {
        start_time: task.start_time(),
        switches: task.switches(),
        task_state: u64::from(state_at_tick(task)),
        thread_state: 0,
        ticks: 0,
        ahead: 0,
        unchanged: 0,
        queued: 0,
        ledger: OffCpuLedger::default(),
    };
    let mut origin = Origin::OffCpu;
    if let Some(seen) = seen {
        // SAFETY: an element of a preallocated map stays readable.
        let before = unsafe { &*seen };
        (now.ticks, now.ahead) = (before.ticks, before.ahead);
        now.thread_state = before.thread_state;
        if before.switches == now.switches {
            origin = if before.task_state == now.task_state {
                Origin::Unchanged
            } else {
                Origin::OffCpuSameStack
            };
        }
    }
    let weight = match seen {
        Some(seen) => left_by_ticks(seen, &mut now, order),
        None if was_sampled_by_tick(task, tid, order.since) => 0,
        None => order.weight,
    };
    let has_sample = weight == 0 && order.weight != 0;
    let shares = share_out(task, seen, now.task_state, (weight, order.period));
    if is_running || origin == Origin::Unchanged {
        // A running thread without a sample of this tick has begun to run since the tick.
        // When the tick came it waited, as far as is known with the stack that it was
        // seen with before.
        if let Some(seen) = seen
            && weight != 0
        {
            // SAFETY: an element of a preallocated map stays writable. If the thread has
            // ended, the element may by now belong to another, which then counts one scan
            // too many.
            unsafe {
                add_to(&raw mut (*seen).unchanged, shares.asleep);
                add_to(&raw mut (*seen).queued, shares.queued);
            }
        }
        return count(if is_running {
            Counter::SeenRunning
        } else {
            Counter::Unchanged
        });
    }
    if has_sample {
        return count(Counter::AlreadySampled);
    }
    let key = config.key;
    record_fate(key, Fate::Taken);
    let anonymous = task.as_task();
    let (Some(pointer), Some(comm)) = (anonymous.thread_pointer(), anonymous.comm()) else {
        record_fate(key, Fate::TaskUnreadable);
        return count(Counter::TaskFault);
    };
    let Some(mut scratch) = scan_scratch() else {
        record_fate(key, Fate::TaskUnreadable);
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
    let mut wait = facts(task, now.task_state as u32, origin);
    if let Some(seen) = seen {
        // SAFETY: an element of a preallocated map stays readable.
        unsafe { (wait.unchanged, wait.queued) = ((*seen).unchanged, (*seen).queued) };
    }
    // What it is not found doing now, it did before.
    if wait.task_state == RUNNABLE {
        wait.weight = shares.queued;
        wait.unchanged = wait.unchanged.wrapping_add(shares.asleep);
    } else {
        wait.weight = shares.asleep;
        wait.queued = wait.queued.wrapping_add(shares.queued);
    }
    capture::begin(scratch.sampling, config, &thread, wait);
    // `now` moves to the scratch memory, since the stack has no room for it during the
    // walk.
    scratch.sampling.seen = now;
    scratch.sampling.seen.ledger = match seen {
        // SAFETY: as above.
        Some(seen) => unsafe { (*seen).ledger },
        None if has_queueing() => OffCpuLedger::new(off_cpu_time(task)),
        None => OffCpuLedger::default(),
    };
    if origin == Origin::OffCpu {
        capture::walk(&memory, config, &thread, &mut scratch);
        scratch.sampling.seen.thread_state = scratch.sampling.sample.header.thread_state;
        add_gil(&memory, config, &mut scratch);
        if task.is_running() || task.switches() != scratch.sampling.seen.switches {
            let header = &mut scratch.sampling.sample.header;
            header.stop = StopReason::RanDuringWalk as u32;
            header.frame_count = 0;
        }
        // SAFETY: the helper has no preconditions.
        scratch.sampling.sample.header.time = unsafe { bpf_ktime_get_ns() };
    }
    // Not worth remembering: the next scan may have another outcome.
    let stop = scratch.sampling.sample.header.stop;
    let is_open = stop == StopReason::RanDuringWalk as u32
        || stop == StopReason::NoThreadState as u32 && lacks_slot(config);
    let is_sent = capture::finish(&memory, config, &mut scratch);
    if !is_sent {
        return;
    }
    let now = &scratch.sampling.seen;
    match seen.or(place) {
        // SAFETY: an element of a preallocated map stays writable; only scans write it,
        // except for ticks of a running thread. If the thread has ended, the element may
        // by now belong to another, whose start time differs, and which is looked at
        // anew.
        Some(place) if is_open => unsafe { ((*place).unchanged, (*place).queued) = (0, 0) },
        // SAFETY: as above.
        Some(place) => unsafe { *place = *now },
        None if is_open => {}
        None if THREADS.insert(tid, now, 0).is_err() => count(Counter::ThreadTableFull),
        // The end of the thread removes it from the table, and may have come just before
        // the insertion.
        None if task.is_exiting() => {
            let _ = THREADS.remove(tid);
        }
        None => {}
    }
}

/// Returns the time that this sample represents: the time since the last scan
/// without the time that ticks represent. Scans and ticks together thus represent all of
/// a thread's time and no more, even if a CPU ticks late, or two ticks come before one
/// scan.
#[inline(always)]
fn left_by_ticks(seen: *mut SeenThread, now: &mut SeenThread, order: &ScanOrder) -> u64 {
    let ticks = now.ticks;
    let by_ticks = ticks.wrapping_mul(order.period).wrapping_add(now.ahead);
    now.ahead = by_ticks.saturating_sub(order.weight);
    now.ticks = 0;
    // SAFETY: an element of a preallocated map stays writable; a tick may count itself at
    // the same time. If the thread has ended, the element may by now belong to another,
    // whose first samples then represent a little more or less.
    unsafe {
        add_to(&raw mut (*seen).ticks, ticks.wrapping_neg());
        (*seen).ahead = now.ahead;
    }
    order.weight.saturating_sub(by_ticks)
}

/// Whether the slot that leads to a thread's state is not known yet (3.15), so that the
/// state may have been missed in a long list.
#[inline(always)]
fn lacks_slot(config: &ProcessConfig) -> bool {
    config.tls_offset == 0 && config.layout.runtime.tss_struct == ABSENT
}

/// Whether the thread ran when this tick came, and has its sample. It has left its CPU
/// since, perhaps because this very scan needed the CPU. For threads that no scan has
/// seen yet.
#[inline(always)]
fn was_sampled_by_tick(task: IteratedTask, tid: u32, since: u64) -> bool {
    let Some(last) = last_on_cpu(task.cpu()) else {
        return false;
    };
    // SAFETY: an element of an array stays readable. Its CPU may be writing it; then the
    // thread is another one, or is sampled twice.
    let last = unsafe { core::ptr::read_volatile(last) };
    last.tid == tid && last.time >= since
}

/// `__state` of a thread that waits for a CPU, and of one that waits for an event.
const RUNNABLE: u32 = 0;
const INTERRUPTIBLE: u32 = 1;

/// Splits the time that a scan represents into sleep and waits for a CPU.
#[inline(always)]
fn share_out(
    task: IteratedTask,
    seen: Option<*mut SeenThread>,
    task_state: u64,
    (weight, period): (u64, u64),
) -> OffCpuTime {
    if let Some(seen) = seen
        && has_queueing()
    {
        let counted = off_cpu_time(task);
        // SAFETY: an element of a preallocated map stays readable and writable; only scans
        // use this. If the thread has ended, the element may by now belong to another,
        // whose first shares are then larger or smaller than they should be.
        return unsafe { (*seen).ledger.share_out(counted, (weight, period)) };
    }
    if task_state == u64::from(RUNNABLE) && !task.is_running() {
        OffCpuTime {
            asleep: 0,
            queued: weight,
        }
    } else {
        OffCpuTime {
            asleep: weight,
            queued: 0,
        }
    }
}

/// Returns for how long the thread has been off CPU up to now.
#[inline(always)]
fn off_cpu_time(task: IteratedTask) -> OffCpuTime {
    // SAFETY: the helper has no preconditions.
    task.off_cpu_time(unsafe { bpf_ktime_get_ns() })
}

/// Returns the `__state` that the thread had when the tick came. A thread that was woken
/// since then waits for a CPU only because this scan occupies it, or because the thread
/// was not looked at immediately.
#[inline(always)]
fn state_at_tick(task: IteratedTask) -> u32 {
    let state = task.state();
    if state == RUNNABLE && task.is_queued_since_scan() {
        INTERRUPTIBLE
    } else {
        state
    }
}

/// Returns why the thread waits, as far as the kernel knows.
#[inline(always)]
fn facts(task: IteratedTask, task_state: u32, origin: Origin) -> WaitFacts {
    // SAFETY: the helper takes the task of the iterator, and what it returns may
    // be read as the registers at the thread's entry into the kernel.
    let (syscall, first, second) = unsafe {
        let registers = bpf_task_pt_regs(task.0) as *const u8;
        (
            *registers.add(SYSTEM_CALL).cast::<u64>() as i32,
            *registers.add(FIRST_ARGUMENT).cast::<u64>(),
            *registers.add(SECOND_ARGUMENT).cast::<u64>(),
        )
    };
    // A thread outside a system call was not woken: it has lost its CPU.
    let task_state = if syscall == NO_SYSCALL && task.state() == RUNNABLE {
        RUNNABLE
    } else {
        task_state
    };
    WaitFacts {
        origin: origin as u32,
        task_state,
        syscall,
        argument: telling_argument(syscall, first, second),
        ..WaitFacts::RUNNING
    }
}

/// Adds the address of the GIL, for a thread that waits for a futex.
#[inline(always)]
fn add_gil(memory: &RemoteTask, config: &ProcessConfig, scratch: &mut Scratch) {
    let header = &mut scratch.sampling.sample.header;
    if header.wait.syscall == FUTEX
        && header.thread_state != 0
        && let Some(known) = scan_gil()
    {
        let state = &scratch.sampling.search.state;
        header.wait.gil = known.address(memory, config, state, header.life, header.time);
    }
}
