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
use aya_ebpf::helpers::bpf_ktime_get_ns;
use sampler_common::counter::Counter;
use sampler_common::fate::Fate;
use sampler_common::layout::ABSENT;
use sampler_common::off_cpu_time::OffCpuTime;
use sampler_common::process::{ProcessConfig, ProcessState};
use sampler_common::scan_order::ScanOrder;
use sampler_common::stop::StopReason;
use sampler_common::wait::{NO_SYSCALL, Origin, WaitFacts};

use crate::absence;
use crate::capture::{self, Thread};
use crate::counts::{count, record_fate};
use crate::maps::{
    ONLY_NEW, PROCESSES, Sampling, SeenThread, THREADS, last_on_cpu, scan_gil, scan_order,
    scan_scratch,
};
use crate::memory::RemoteTask;
use crate::task::{TypedTask, has_queueing};
use crate::unchanged;
use crate::waiting::{self, INTERRUPTIBLE, RUNNABLE};

/// `struct bpf_iter__task` (`kernel/bpf/task_iter.c`).
#[repr(C)]
struct IteratorContext {
    meta: *mut c_void,
    task: *mut task_struct,
}

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
    let task = TypedTask(task);
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
fn sample_thread(task: TypedTask, config: &ProcessConfig, tgid: u32, order: &ScanOrder) {
    let Some(tid) = task.tid() else {
        return count(Counter::TaskFault);
    };
    if order.is_last != 0 {
        return tell_rest(task, config, (tgid, tid), order);
    }
    let Some(mut scratch) = scan_scratch() else {
        return count(Counter::NoScratch);
    };
    // What the first step finds out it leaves in memory: the verifier looks at what follows
    // once for each state in which it may begin.
    if !begin(task, config, (tgid, tid), order, scratch.sampling) {
        return;
    }
    let memory = RemoteTask(task.0);
    let is_walked = scratch.sampling.sample.header.wait.origin == Origin::OffCpu as u32;
    if is_walked {
        let header = &scratch.sampling.sample.header;
        let thread = Thread {
            tgid,
            tid,
            pointer: header.thread_id,
            comm: header.comm,
            thread_state: scratch.sampling.seen.thread_state,
        };
        capture::walk(&memory, config, &thread, &mut scratch);
        scratch.sampling.seen.thread_state = scratch.sampling.sample.header.thread_state;
        waiting::add_gil(&memory, config, scratch.sampling, scan_gil());
        if task.is_running() || task.switches() != scratch.sampling.seen.switches {
            let header = &mut scratch.sampling.sample.header;
            header.stop = StopReason::RanDuringWalk as u32;
            header.frame_count = 0;
        }
        scratch.sampling.sample.header.time = if order.by_returns != 0 {
            scratch.sampling.left
        } else {
            // SAFETY: the helper has no preconditions.
            unsafe { bpf_ktime_get_ns() }
        };
    }
    let is_sent = capture::finish(&memory, config, &mut scratch);
    end(task, config, (tid, order), (is_sent, scratch.sampling));
}

/// Reports what no record has reported of a thread, in the last scan.
#[inline(always)]
fn tell_rest(task: TypedTask, config: &ProcessConfig, (tgid, tid): (u32, u32), order: &ScanOrder) {
    let Some(seen) = THREADS.get_ptr_mut(tid) else {
        return;
    };
    // SAFETY: an element of a preallocated map stays readable and writable; with returns, the
    // program for those is detached by now. If the thread has ended, the element may by now
    // belong to another, whose times then are reported as this one's.
    unsafe {
        if (*seen).start_time != task.start_time() {
            return;
        }
        if order.by_returns != 0 && !task.is_running() {
            let now = bpf_ktime_get_ns();
            let left = absence::left_at(task, &*seen, now);
            let shares = absence::account(task, seen, order.period, (left, now));
            absence::report_later(seen, shares);
        }
    }
    unchanged::tell_rest(task.as_task(), config.key, tgid, tid, seen);
}

/// Finds out whether a thread is to be sampled, and begins its sample if so: its header says
/// with [`Origin`] whether it is walked.
#[inline(always)]
fn begin(
    task: TypedTask,
    config: &ProcessConfig,
    (tgid, tid): (u32, u32),
    order: &ScanOrder,
    sampling: &mut Sampling,
) -> bool {
    let place = THREADS.get_ptr_mut(tid);
    // SAFETY: an element of a preallocated map stays readable.
    let seen = place.filter(|it| unsafe { (**it).start_time } == task.start_time());
    let by_returns = order.by_returns != 0;
    // SAFETY: the helper has no preconditions.
    let time = unsafe { bpf_ktime_get_ns() };
    let is_running = task.is_running();
    let now = &mut sampling.seen;
    absence::first_seen(task, order, time, now);
    if by_returns && is_running {
        if seen.is_none() {
            remember(task, tid, now);
        }
        count(Counter::SeenRunning);
        return false;
    }
    now.switches = task.switches();
    now.task_state = u64::from(state_at_tick(task));
    sampling.left = now.accounted.max(now.last_tick);
    let mut left = now.accounted;
    let mut origin = Origin::OffCpu;
    if let Some(seen) = seen {
        // SAFETY: an element of a preallocated map stays readable.
        let before = unsafe { &*seen };
        now.thread_state = before.thread_state;
        if before.switches == now.switches {
            origin = if before.task_state == now.task_state {
                Origin::Unchanged
            } else {
                Origin::OffCpuSameStack
            };
        }
        if by_returns {
            left = absence::left_at(task, before, time);
            sampling.left = left.max(before.last_tick);
        }
    }
    let (weight, shares) = if by_returns {
        // Its return, or the next scan, will do. Of one that nobody knows, it is not known
        // since when it is away.
        if origin == Origin::OffCpu && left != time && !absence::has_edge(order, (left, time)) {
            return false;
        }
        (0, OffCpuTime::default())
    } else {
        let weight = match seen {
            // SAFETY: an element of a preallocated map stays writable. If the thread has
            // ended, the element may by now belong to another, whose first samples then
            // represent a little more or less.
            Some(seen) => unsafe {
                let weight = absence::left_by_ticks(seen, (order.weight, order.period));
                now.ahead = (*seen).ahead;
                weight
            },
            None if was_sampled_by_tick(task, tid, order.since) => 0,
            None => order.weight,
        };
        let shares = share_out(task, seen, now.task_state, (weight, order.period));
        (weight, shares)
    };
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
            unsafe { absence::report_later(seen, shares) };
        }
        count(if is_running {
            Counter::SeenRunning
        } else {
            Counter::Unchanged
        });
        return false;
    }
    if weight == 0 && order.weight != 0 {
        count(Counter::AlreadySampled);
        return false;
    }
    let key = config.key;
    record_fate(key, Fate::Taken);
    let anonymous = task.as_task();
    let (Some(pointer), Some(comm)) = (anonymous.thread_pointer(), anonymous.comm()) else {
        record_fate(key, Fate::TaskUnreadable);
        count(Counter::TaskFault);
        return false;
    };
    let mut wait = facts(task, now.task_state as u32, origin);
    sampling.reported = match seen {
        // SAFETY: an element of a preallocated map stays readable and writable.
        Some(seen) => unsafe { unchanged::take_sums(seen) },
        None => OffCpuTime::default(),
    };
    (wait.unchanged, wait.queued) = (sampling.reported.asleep, sampling.reported.queued);
    waiting::add_shares(&mut wait, shares);
    if let Some(seen) = seen
        && !by_returns
    {
        // SAFETY: as above.
        sampling.seen.ledger = unsafe { (*seen).ledger };
    }
    let thread = Thread {
        tgid,
        tid,
        pointer,
        comm,
        thread_state: 0,
    };
    capture::begin(sampling, config, &thread, wait);
    true
}

/// Remembers the thread of a sample that was sent.
#[inline(always)]
fn end(
    task: TypedTask,
    config: &ProcessConfig,
    (tid, order): (u32, &ScanOrder),
    (is_sent, sampling): (bool, &Sampling),
) {
    let now = &sampling.seen;
    let place = THREADS.get_ptr_mut(tid);
    // SAFETY: an element of a preallocated map stays readable.
    let seen = place.filter(|it| unsafe { (**it).start_time } == now.start_time);
    if !is_sent {
        if let Some(seen) = seen {
            // SAFETY: an element of a preallocated map stays writable.
            unsafe { absence::report_later(seen, sampling.reported) };
        }
        return;
    }
    // Not worth remembering: the next scan may have another outcome.
    let stop = sampling.sample.header.stop;
    if stop == StopReason::RanDuringWalk as u32
        || stop == StopReason::NoThreadState as u32 && lacks_slot(config)
    {
        return;
    }
    match seen {
        // The thread may have come back in the meantime, and then has counted its times.
        // SAFETY: an element of a preallocated map stays writable. If the thread has ended,
        // the element may by now belong to another, whose count of switches differs.
        Some(seen) if order.by_returns != 0 => unsafe {
            (*seen).switches = now.switches;
            (*seen).task_state = now.task_state;
            (*seen).thread_state = now.thread_state;
        },
        _ => remember(task, tid, now),
    }
}

/// Remembers a thread as it is `now`.
#[inline(always)]
fn remember(task: TypedTask, tid: u32, now: &SeenThread) {
    match THREADS.get_ptr_mut(tid) {
        // SAFETY: an element of a preallocated map stays writable; only scans write it,
        // except for ticks of a running thread, and for returns, with which it belonged to
        // a thread that has ended. If the thread has ended, the element may by now belong
        // to another, whose start time differs, and which is looked at anew.
        Some(place) => unsafe { *place = *now },
        None if THREADS.insert(tid, now, ONLY_NEW).is_err() => {
            // The thread may have come back in the meantime, and have put itself there.
            if THREADS.get_ptr(tid).is_none() {
                count(Counter::ThreadTableFull);
            }
        }
        // The end of the thread removes it from the table, and may have come just before
        // the insertion.
        None if task.is_exiting() => {
            let _ = THREADS.remove(tid);
        }
        None => {}
    }
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
fn was_sampled_by_tick(task: TypedTask, tid: u32, since: u64) -> bool {
    let Some(last) = last_on_cpu(task.cpu()) else {
        return false;
    };
    // SAFETY: an element of an array stays readable. Its CPU may be writing it; then the
    // thread is another one, or is sampled twice.
    let last = unsafe { core::ptr::read_volatile(last) };
    last.tid == tid && last.time >= since
}

/// Splits the time that a scan represents into sleep and waits for a CPU.
#[inline(always)]
fn share_out(
    task: TypedTask,
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
fn off_cpu_time(task: TypedTask) -> OffCpuTime {
    // SAFETY: the helper has no preconditions.
    task.off_cpu_time(unsafe { bpf_ktime_get_ns() })
}

/// Returns the `__state` that the thread had when the tick came. A thread that was woken
/// since then waits for a CPU only because this scan occupies it, or because the thread
/// was not looked at immediately.
#[inline(always)]
fn state_at_tick(task: TypedTask) -> u32 {
    let state = task.state();
    if state == RUNNABLE && task.is_queued_since_scan() {
        INTERRUPTIBLE
    } else {
        state
    }
}

/// Returns why the thread waits, as far as the kernel knows.
#[inline(always)]
fn facts(task: TypedTask, task_state: u32, origin: Origin) -> WaitFacts {
    let (syscall, argument) = waiting::system_call(task);
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
        argument,
        ..WaitFacts::RUNNING
    }
}
