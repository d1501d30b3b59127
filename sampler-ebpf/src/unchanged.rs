// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! For how long scans have found a thread waiting without a sample. The time is counted
//! with the thread and reported with its next sample, or in a record of its own where there
//! is no sample.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use sampler_common::life::InterpreterLife;
use sampler_common::process::ProcessKey;
use sampler_common::sample::{RecordKind, SampleHeader};
use sampler_common::wait::{Origin, WaitFacts};

use crate::counts::add_to;
use crate::maps::{PROCESSES, SeenThread, THREADS, Urgency, send};
use crate::task::Task;

/// Takes the times to report of a thread that a tick samples, in nanoseconds: for which it
/// was asleep, and for which it waited for a CPU. Counts the tick: the next scan represents
/// that much less.
#[inline(always)]
pub(crate) fn take(tid: u32) -> (u64, u64) {
    let Some(seen) = THREADS.get_ptr_mut(tid) else {
        return (0, 0);
    };
    // SAFETY: an element of a preallocated map stays writable. Its thread runs here, so
    // the element is still its own; a scan may change the numbers at the same time.
    unsafe {
        add_to(&raw mut (*seen).ticks, 1);
        let taken = ((*seen).unchanged, (*seen).queued);
        if taken.0 != 0 {
            add_to(&raw mut (*seen).unchanged, taken.0.wrapping_neg());
        }
        if taken.1 != 0 {
            add_to(&raw mut (*seen).queued, taken.1.wrapping_neg());
        }
        taken
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
    if seen.unchanged | seen.queued != 0
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
        let has_times = (*seen).unchanged | (*seen).queued != 0;
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
            unchanged: seen.unchanged,
            queued: seen.queued,
            ..WaitFacts::RUNNING
        },
    };
    send(bytemuck::bytes_of(&header), Urgency::Whenever)
}
