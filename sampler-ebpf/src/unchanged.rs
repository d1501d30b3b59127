// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! For how long scans have found a thread unchanged. The time is counted with the thread
//! and reported with its next sample, or in a record of its own where there is no sample.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use sampler_common::life::InterpreterLife;
use sampler_common::process::ProcessKey;
use sampler_common::sample::{RecordKind, SampleHeader};
use sampler_common::wait::{Origin, WaitFacts};

use crate::counts::add_to;
use crate::maps::{PROCESSES, THREADS, Urgency, send};
use crate::task::Task;

/// Takes the time to report of a thread that a tick samples, in nanoseconds, and counts
/// the tick: the next scan represents that much less.
#[inline(always)]
pub(crate) fn take(tid: u32) -> u64 {
    let Some(seen) = THREADS.get_ptr_mut(tid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays writable. Its thread runs here, so
    // the element is still its own; a scan may change the numbers at the same time.
    unsafe {
        add_to(&raw mut (*seen).ticks, 1);
        let unchanged = (*seen).unchanged;
        if unchanged != 0 {
            add_to(&raw mut (*seen).unchanged, unchanged.wrapping_neg());
        }
        unchanged
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
    let unchanged = unsafe { (*seen).unchanged };
    if unchanged != 0
        && let Some(config) = PROCESSES.get_ptr(tgid)
    {
        // SAFETY: as above; one of the process's threads is running here, so the element
        // is still its own.
        let key = unsafe { (*config).key };
        tell(task, key, tgid, tid, unchanged);
    }
    // An error means that a scan has removed it.
    let _ = THREADS.remove(tid);
}

/// Reports `unchanged` nanoseconds. Returns whether user space will hear of it.
#[inline(always)]
pub(crate) fn tell(task: Task, key: ProcessKey, tgid: u32, tid: u32, unchanged: u64) -> bool {
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
            unchanged,
            ..WaitFacts::RUNNING
        },
    };
    send(bytemuck::bytes_of(&header), Urgency::Whenever)
}
