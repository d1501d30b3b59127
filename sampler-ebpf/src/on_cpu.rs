// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! The entry point of every tick of every CPU: finds out which thread the tick
//! interrupted, and samples it if its process is followed.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_perf_event_data;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::perf_event;
use aya_ebpf::programs::PerfEventContext;
use sampler_common::counter::Counter;
use sampler_common::fate::Fate;
use sampler_common::process::{ProcessConfig, ProcessState};
use sampler_common::wait::WaitFacts;

use crate::capture::{self, Thread};
use crate::counts::{add, count, record_fate};
use crate::lifecycle;
use crate::maps::{LastOnCpu, PROCESSES, Scratch, cpu_clocks, last_on_cpu, tick_scratch};
use crate::memory::CurrentTask;
use crate::task::{Task, current_tgid, current_tid};
use crate::unchanged;

/// Samples the interrupted thread if its process is followed. For any other thread it
/// costs one map look-up.
#[perf_event]
fn on_cpu(context: PerfEventContext) -> u32 {
    let Some((config, thread)) = interrupted(&context) else {
        return 0;
    };
    let Some(mut scratch) = tick_scratch() else {
        no_memory(config);
        return 0;
    };
    begin(&mut scratch, config, &thread, &context);
    capture::walk(&CurrentTask, config, &thread, &mut scratch);
    capture::finish(&CurrentTask, config, &mut scratch);
    end(&scratch);
    0
}

/// Returns the interrupted thread and its process, if that is sampled.
#[inline(always)]
pub(crate) fn interrupted(context: &PerfEventContext) -> Option<(&'static ProcessConfig, Thread)> {
    count(Counter::Ticks);
    if !counts(context) {
        count(Counter::RepeatedTicks);
        return None;
    }
    let Some(tgid) = current_tgid() else {
        count(Counter::TaskFault);
        return None;
    };
    let config = PROCESSES.get_ptr(tgid)?;
    // SAFETY: an element of a preallocated map stays readable. If its process has ended,
    // the element may by now belong to another; then the sample's key and tgid disagree,
    // which user space checks.
    let config = unsafe { &*config };
    let key = config.key;
    record_fate(key, Fate::Taken);
    if config.state != ProcessState::Sampled as u32 {
        record_fate(key, Fate::Unsupported);
        return None;
    }
    let task = Task::current();
    let (Some(tid), Some(pointer), Some(comm)) =
        (current_tid(), thread_pointer(task, context), task.comm())
    else {
        count(Counter::TaskFault);
        record_fate(key, Fate::TaskUnreadable);
        return None;
    };
    let thread = Thread {
        tgid,
        tid,
        pointer,
        comm,
        thread_state: 0,
    };
    Some((config, thread))
}

/// Whether it is a tick that its clock owes.
#[inline(always)]
fn counts(context: &PerfEventContext) -> bool {
    let data = context.as_ptr().cast::<bpf_perf_event_data>();
    // SAFETY: a program of this type gets such a context; the verifier checks the access.
    // It is the period that the event was opened with: a later one leaves
    // `hw_perf_event.last_period` alone (`_perf_event_period`, kernel/events/core.c).
    let period = unsafe { (*data).sample_period };
    let Some(clocks) = cpu_clocks() else {
        return true;
    };
    // SAFETY: the helper has no preconditions.
    clocks.counts(period, unsafe { bpf_ktime_get_ns() })
}

/// Returns the thread pointer of the interrupted thread; 0 if it is a thread of the
/// kernel.
#[inline(always)]
fn thread_pointer(task: Task, context: &PerfEventContext) -> Option<u64> {
    // A thread that the kernel made in a process never leaves the kernel, so most ticks
    // need not look.
    if is_in_kernel(context) && task.is_io_worker()? {
        return Some(0);
    }
    task.thread_pointer()
}

/// Whether the tick interrupted the kernel: the privilege level of the code
/// segment (`user_mode`, arch/x86/include/asm/ptrace.h).
#[inline(always)]
fn is_in_kernel(context: &PerfEventContext) -> bool {
    let data = context.as_ptr().cast::<bpf_perf_event_data>();
    // SAFETY: a program of this type gets such a context; the verifier checks the access.
    let segment = unsafe { (*data).regs.cs };
    segment & 3 == 0
}

/// Begins the sample.
#[inline(always)]
pub(crate) fn begin(
    scratch: &mut Scratch,
    config: &ProcessConfig,
    thread: &Thread,
    context: &PerfEventContext,
) {
    let running = WaitFacts {
        in_kernel: u32::from(is_in_kernel(context)),
        ..WaitFacts::RUNNING
    };
    capture::begin(scratch.sampling, config, thread, running);
    let header = &mut scratch.sampling.sample.header;
    note(header.time, thread.tid, header.cpu);
    if lifecycle::has_scans() {
        (header.wait.unchanged, header.wait.queued) = unchanged::take(thread.tid, header.time);
    }
}

/// Counts a sample for which there is no memory.
#[inline(always)]
pub(crate) fn no_memory(config: &ProcessConfig) {
    count(Counter::NoScratch);
    record_fate(config.key, Fate::TaskUnreadable);
}

/// Ends the sample: counts the time that it took.
#[inline(always)]
pub(crate) fn end(scratch: &Scratch) {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let began = scratch.sampling.sample.header.time;
    add(Counter::RunTime, now.wrapping_sub(began));
}

/// Notes for the scans of waiting threads that this thread had its sample.
#[inline(always)]
fn note(time: u64, tid: u32, cpu: u32) {
    if let Some(place) = last_on_cpu(cpu) {
        // SAFETY: an element of an array stays writable, and only this CPU writes this
        // one.
        unsafe { *place = LastOnCpu { time, tid } };
    }
}
