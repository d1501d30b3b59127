// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! The entry point of every return of a thread to a CPU: samples the thread where it was
//! when it left, if an edge of a period lies in its absence. The cost thus grows with what
//! threads do, and not with how many of them wait.
//!
//! The program runs as the thread that returns: the run queue's lock is given up,
//! interrupts are on, and preemption is off. A tick may interrupt it. The kernel's
//! tracepoint is at the end of `__schedule` (`sched_exit_tp`, Linux 6.15).

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use sampler_common::counter::Counter;
use sampler_common::fate::Fate;
use sampler_common::off_cpu_time::OffCpuTime;
use sampler_common::process::{ProcessConfig, ProcessState};
use sampler_common::scan_order::ScanOrder;
use sampler_common::wait::{Origin, WaitFacts};

use crate::absence;
use crate::capture::{self, Thread};
use crate::counts::{add, count, record_fate};
use crate::lifecycle::argument;
use crate::maps::{ONLY_NEW, PROCESSES, SeenThread, THREADS, return_scratch, scan_order};
use crate::memory::CurrentTask;
use crate::task::{TypedTask, current_tgid};
use crate::unchanged;
use crate::waiting::{self, INTERRUPTIBLE, RUNNABLE};

/// `sched_exit_tp(bool is_switch)`. For a thread of a process that is not followed it costs
/// one look-up.
#[raw_tracepoint(tracepoint = "sched_exit_tp")]
fn on_return(context: RawTracePointContext) -> i32 {
    // The kernel has chosen the same thread again, which has not been away.
    if argument(&context, 0) & 1 == 0 {
        return 0;
    }
    let Some(tgid) = current_tgid() else {
        count(Counter::TaskFault);
        return 0;
    };
    // The kernel's idle task, or one that user space's pid namespace does not have.
    if tgid == 0 {
        return 0;
    }
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable; one of the process's threads
    // is running here, so the element is still its own.
    let config = unsafe { &*config };
    if config.state == ProcessState::Sampled as u32
        && let Some(order) = scan_order()
        && order.by_returns != 0
    {
        returned(config, tgid, order);
    }
    0
}

/// Takes in that the current thread has been away.
#[inline(always)]
fn returned(config: &ProcessConfig, tgid: u32, order: &ScanOrder) {
    let task = TypedTask::current();
    if task.is_exiting() || task.is_io_worker() {
        return;
    }
    let Some(tid) = task.tid() else {
        return count(Counter::TaskFault);
    };
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let Some(seen) = known(task, tid, order, now) else {
        return count(Counter::ThreadTableFull);
    };
    // SAFETY: an element of a preallocated map stays readable and writable. Its thread runs
    // here, so the element is still its own. Nobody else changes these numbers; the ticks
    // and the sums are added to atomically.
    let (left, is_voluntary, shares) = unsafe {
        let left = absence::left_at(task, &*seen, now);
        let voluntary = task.voluntary_switches();
        let is_voluntary = voluntary != (*seen).voluntary;
        (*seen).arrival = now;
        (*seen).runtime = task.runtime();
        (*seen).voluntary = voluntary;
        if !absence::has_edge(order, (left, now)) {
            return;
        }
        let shares = absence::account(task, seen, order.period, (left, now));
        if shares == OffCpuTime::default() {
            return count(Counter::AlreadySampled);
        }
        // A scan has shown this very absence.
        if (*seen).switches == task.switches() {
            absence::report_later(seen, shares);
            return count(Counter::Unchanged);
        }
        (left, is_voluntary, shares)
    };
    let task_state = if is_voluntary {
        INTERRUPTIBLE
    } else {
        RUNNABLE
    };
    let (syscall, argument) = waiting::system_call(task);
    let mut wait = WaitFacts {
        origin: Origin::OffCpu as u32,
        task_state,
        syscall,
        argument,
        ..WaitFacts::RUNNING
    };
    // Of a thread without a sample, nothing is known that it waited for before.
    // SAFETY: as above.
    if unsafe { (*seen).thread_state } == 0 {
        wait.weight = shares.asleep.wrapping_add(shares.queued);
    } else {
        waiting::add_shares(&mut wait, shares);
    }
    let of_task = (task, tid, tgid);
    sample(of_task, config, seen, (left, wait));
    // SAFETY: the helper has no preconditions.
    let end = unsafe { bpf_ktime_get_ns() };
    add(Counter::ReturnTime, end.wrapping_sub(now));
}

/// Returns what is known of the thread. `None` if there is no room for another one.
#[inline(always)]
fn known(task: TypedTask, tid: u32, order: &ScanOrder, now: u64) -> Option<*mut SeenThread> {
    let place = THREADS.get_ptr_mut(tid);
    // SAFETY: an element of a preallocated map stays readable.
    if let Some(seen) = place
        && unsafe { (*seen).start_time } == task.start_time()
    {
        return Some(seen);
    }
    let (scratch, _) = return_scratch()?;
    let first = &mut scratch.sampling.seen;
    absence::first_seen(task, order, now, first);
    match place {
        // SAFETY: an element of a preallocated map stays writable. It belonged to a thread
        // that has ended.
        Some(place) => unsafe { *place = *first },
        // An error means that there is one now, or no room.
        None => drop(THREADS.insert(tid, &*first, ONLY_NEW)),
    }
    THREADS.get_ptr_mut(tid)
}

/// Samples the current thread, which left its CPU at `left`.
#[inline(always)]
fn sample(
    (task, tid, tgid): (TypedTask, u32, u32),
    config: &ProcessConfig,
    seen: *mut SeenThread,
    (left, mut wait): (u64, WaitFacts),
) {
    let key = config.key;
    record_fate(key, Fate::Taken);
    count(Counter::Returns);
    let anonymous = task.as_task();
    let (Some(pointer), Some(comm)) = (anonymous.thread_pointer(), anonymous.comm()) else {
        record_fate(key, Fate::TaskUnreadable);
        return count(Counter::TaskFault);
    };
    let Some((mut scratch, gil)) = return_scratch() else {
        record_fate(key, Fate::TaskUnreadable);
        return count(Counter::NoScratch);
    };
    // SAFETY: an element of a preallocated map stays readable and writable, and the thread
    // runs here.
    let (thread_state, reported) = unsafe { ((*seen).thread_state, unchanged::take_sums(seen)) };
    scratch.sampling.reported = reported;
    wait.unchanged = wait.unchanged.wrapping_add(reported.asleep);
    wait.queued = wait.queued.wrapping_add(reported.queued);
    let thread = Thread {
        tgid,
        tid,
        pointer,
        comm,
        thread_state,
    };
    capture::begin(scratch.sampling, config, &thread, wait);
    capture::walk(&CurrentTask, config, &thread, &mut scratch);
    waiting::add_gil(&CurrentTask, config, scratch.sampling, Some(gil));
    let header = &mut scratch.sampling.sample.header;
    // SAFETY: as above.
    unsafe {
        (*seen).thread_state = header.thread_state;
        // A tick may have come during the walk, and its record comes first.
        header.time = left.max(core::ptr::read_volatile(&raw const (*seen).last_tick));
    }
    if !capture::finish(&CurrentTask, config, &mut scratch) {
        // SAFETY: as above.
        unsafe { absence::report_later(seen, scratch.sampling.reported) };
    }
}
