// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! For how long scans have found a thread waiting without a sample. The time is counted
//! with the thread and reported with its next sample, or in a record of its own where there
//! is no sample.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use sampler_common::life::InterpreterLife;
use sampler_common::off_cpu_time::OffCpuTime;
use sampler_common::process::ProcessKey;
use sampler_common::sample::{RecordKind, SampleHeader};
use sampler_common::wait::{Origin, WaitFacts};

use crate::counts::add_to;
use crate::maps::{PROCESSES, SeenThread, THREADS, Urgency, send};
use crate::task::Task;

/// Takes the times to report of a thread that a tick samples, in nanoseconds: for which it
/// was asleep, and for which it waited for a CPU. Counts the tick: the next scan represents
/// that much less. `time` is that of the tick.
#[inline(always)]
pub(crate) fn take(tid: u32, time: u64) -> (u64, u64) {
    let Some(seen) = THREADS.get_ptr_mut(tid) else {
        return (0, 0);
    };
    // SAFETY: an element of a preallocated map stays writable. Its thread runs here, so
    // the element is still its own; a scan may change the numbers at the same time.
    unsafe {
        add_to(&raw mut (*seen).ticks, 1);
        (*seen).last_tick = time;
        let taken = take_sums(seen);
        (taken.asleep, taken.queued)
    }
}

/// Takes the times to report of a thread. Others may add to them at the same time; if
/// another one takes them as well, what was reported twice is missing from what is added
/// next.
///
/// # Safety
/// The element must be valid for reads and writes.
#[inline(always)]
pub(crate) unsafe fn take_sums(seen: *mut SeenThread) -> OffCpuTime {
    // SAFETY: as the caller grants.
    unsafe {
        let taken = reported(&*seen);
        if taken.asleep != 0 {
            add_to(&raw mut (*seen).unchanged, taken.asleep.wrapping_neg());
        }
        if taken.queued != 0 {
            add_to(&raw mut (*seen).queued, taken.queued.wrapping_neg());
        }
        taken
    }
}

/// Returns the times to report: a negative one has been reported already.
#[inline(always)]
fn reported(seen: &SeenThread) -> OffCpuTime {
    let positive = |time: u64| if (time as i64) > 0 { time } else { 0 };
    OffCpuTime {
        asleep: positive(seen.unchanged),
        queued: positive(seen.queued),
    }
}

/// Removes a thread that ends from the table of those that scans have seen, and reports
/// what no record has reported of it.
#[inline(always)]
pub(crate) fn forget(task: Task, tgid: u32, tid: u32) {
    let Some(seen) = THREADS.get_ptr(tid) else {
        return;
    };
    // SAFETY: an element of a preallocated map stays readable.
    let seen = unsafe { &*seen };
    if reported(seen) != OffCpuTime::default()
        && let Some(config) = PROCESSES.get_ptr(tgid)
    {
        // SAFETY: as above; one of the process's threads is running here, so the element
        // is still its own.
        let key = unsafe { (*config).key };
        tell(task, key, tgid, tid, seen);
    }
    // An error means that a scan has removed it.
    let _ = THREADS.remove(tid);
}

/// Reports the times of a thread at the end of a recording.
#[inline(always)]
pub(crate) fn tell_rest(task: Task, key: ProcessKey, tgid: u32, tid: u32, seen: *mut SeenThread) {
    // SAFETY: an element of a preallocated map stays readable and writable. If the thread
    // has ended, the element may by now belong to another, whose times then are reported
    // as this one's.
    unsafe {
        let has_times = reported(&*seen) != OffCpuTime::default();
        if has_times && tell(task, key, tgid, tid, &*seen) {
            ((*seen).unchanged, (*seen).queued) = (0, 0);
        }
    }
}

/// Reports the times of a thread. Returns whether user space will hear of them.
#[inline(always)]
pub(crate) fn tell(task: Task, key: ProcessKey, tgid: u32, tid: u32, seen: &SeenThread) -> bool {
    let Some(thread_id) = task.thread_pointer() else {
        return false;
    };
    let OffCpuTime { asleep, queued } = reported(seen);
    let header = SampleHeader {
        kind: RecordKind::Sample as u32,
        stop: 0,
        // SAFETY: the helper has no preconditions.
        time: unsafe { bpf_ktime_get_ns() },
        process: key,
        tgid,
        tid,
        thread_id,
        thread_state: 0,
        interpreter: 0,
        life: InterpreterLife(0),
        stop_address: 0,
        comm: [0; 16],
        cpu: 0,
        frame_count: 0,
        wait: WaitFacts {
            origin: Origin::Unchanged as u32,
            unchanged: asleep,
            queued,
            ..WaitFacts::RUNNING
        },
    };
    send(bytemuck::bytes_of(&header), Urgency::Whenever)
}
