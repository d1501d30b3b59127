// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Follows processes as they fork, run new programs and end, so that a forked worker is
//! sampled from its first tick. No interpreter is looked at here: a child has its
//! parent's layout and addresses until it runs a new program.
//!
//! These programs run in process context, where writing a shared map is safe.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use sampler_common::counter::Counter;
use sampler_common::fingerprint::child_key;
use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord, ProgramId, TaskTimes};
use sampler_common::process::{ProcessKey, ProcessState};
use sampler_common::sample::RecordKind;

use crate::counts::{count, open_account};
use crate::maps::{NON_PYTHON, PROCESSES, Urgency, send};
use crate::task::{Task, program_id};
use crate::unchanged;

/// 1 when forked children are followed as well. Set before loading.
#[unsafe(no_mangle)]
static FOLLOW_CHILDREN: u32 = 1;

/// 1 when programs that start in processes not followed yet are reported. Set before
/// loading.
#[unsafe(no_mangle)]
static REPORT_ALL_EXECS: u32 = 1;

/// 1 when a followed process that starts a program without Python is followed no longer.
/// Set before loading.
#[unsafe(no_mangle)]
static SKIP_NON_PYTHON: u32 = 0;

/// 1 when waiting threads are scanned. Set before loading.
#[unsafe(no_mangle)]
static HAS_SCANS: u32 = 0;

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
fn process_fork(context: RawTracePointContext) -> i32 {
    let (Some((_, parent)), Some((child_tid, child))) =
        (task(&context, 0).ids(), task(&context, 1).ids())
    else {
        count(Counter::TaskFault);
        return 0;
    };
    if child_tid != child || !is_set(&FOLLOW_CHILDREN) {
        return 0;
    }
    let Some(config) = PROCESSES.get_ptr(parent) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable; the parent is in its own
    // system call here, so the element is still its own.
    let mut config = unsafe { *config };
    let parent_key = config.key;
    // SAFETY: the helper has no preconditions.
    let time = unsafe { bpf_ktime_get_ns() };
    config.key = child_key(parent_key, child, time);
    if PROCESSES.insert(child, config, 0).is_err() {
        count(Counter::ProcessTableFull);
        return 0;
    }
    // The ticks of a child of a sampled process are sampled from now on: only scans wait
    // until user space knows the child. A child of a process that is not ready has a copy
    // of its parent's entry, and user space may just have written the parent's only.
    let is_unready = config.state == ProcessState::Followed as u32;
    let urgency = if is_unready || is_set(&HAS_SCANS) {
        Urgency::Now
    } else {
        Urgency::Whenever
    };
    let mut record = event(LifecycleKind::Fork, config.key, child);
    record.time = time;
    record.parent_key = parent_key;
    record.parent_tgid = parent;
    open_account(config.key);
    report_with(record, urgency)
}

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`.
///
/// A followed process stays followed, as a new life without a known interpreter, so that
/// what it forks before user space has looked at it is followed as well. When a whole
/// host is recorded, a program that is known to have no Python in it is dropped at once:
/// hosts start hundreds of those a second.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn process_exec(context: RawTracePointContext) -> i32 {
    let Some((_, tgid)) = task(&context, 0).ids() else {
        count(Counter::TaskFault);
        return 0;
    };
    // The process is in a pid namespace that is neither user space's nor below it.
    if tgid == 0 {
        return 0;
    }
    let program = program_id(argument(&context, 2));
    let is_non_python = NON_PYTHON.get_ptr(program).is_some();
    if is_non_python {
        count(Counter::NonPythonPrograms);
        if is_set(&SKIP_NON_PYTHON) {
            return leave(tgid, 0, None);
        }
    }
    let mut record = event(LifecycleKind::Exec, ProcessKey(0), tgid);
    record.program = program;
    set_times(&mut record, task(&context, 0));
    record.is_non_python = u32::from(is_non_python);
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return if is_set(&REPORT_ALL_EXECS) && !is_non_python {
            report(record)
        } else {
            0
        };
    };
    // SAFETY: an element of a preallocated map stays readable; the process is in its own
    // system call here, so the element is still its own.
    let mut config = unsafe { *config };
    record.parent_key = config.key;
    record.key = child_key(config.key, tgid, record.time);
    config.key = record.key;
    config.state = if is_non_python {
        ProcessState::NonPython as u32
    } else {
        ProcessState::Followed as u32
    };
    open_account(config.key);
    if PROCESSES.insert(tgid, config, 0).is_err() {
        count(Counter::ProcessTableFull);
        return 0;
    }
    let urgency = if is_non_python {
        Urgency::Whenever
    } else {
        Urgency::Now
    };
    report_with(record, urgency)
}

/// `sched_process_exit(struct task_struct *p)`, once for every thread.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn process_exit(context: RawTracePointContext) -> i32 {
    let task = task(&context, 0);
    let Some((tid, tgid)) = task.ids() else {
        count(Counter::TaskFault);
        return 0;
    };
    if is_set(&HAS_SCANS) {
        unchanged::forget(task, tgid, tid);
    }
    // `live` is counted down before the tracepoint (`kernel/exit.c`, do_exit).
    if task.live_threads().is_none_or(|live| live != 0) {
        return thread_exit(task, tid, tgid);
    }
    leave(tgid, tid, Some(task))
}

/// Stops following a process, and reports its end if it was followed. `last` is its last
/// thread, if that has ended.
#[inline(always)]
fn leave(tgid: u32, tid: u32, last: Option<Task>) -> i32 {
    let key = forget(tgid);
    if key == ProcessKey(0) {
        return 0;
    }
    let mut record = event(LifecycleKind::Exit, key, tgid);
    record.tid = tid;
    if let Some(task) = last {
        set_times(&mut record, task);
        record.exit_code = task.exit_code();
    }
    report_with(record, Urgency::Whenever)
}

/// Sets the CPU time of a thread, and that of the threads of its process that have ended.
#[inline(always)]
fn set_times(record: &mut LifecycleRecord, task: Task) {
    record.times = task.times();
    record.ended = task.times_of_ended();
}

/// Reports that a thread ended while others of its process go on.
#[inline(always)]
fn thread_exit(task: Task, tid: u32, tgid: u32) -> i32 {
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable; one of the process's
    // threads is running here, so the element is still its own.
    let key = unsafe { (*config).key };
    let mut record = event(LifecycleKind::ThreadExit, key, tgid);
    record.tid = tid;
    set_times(&mut record, task);
    report_with(record, Urgency::Whenever)
}

#[inline(always)]
fn task(context: &RawTracePointContext, index: usize) -> Task {
    Task::from_pointer(argument(context, index))
}

#[inline(always)]
pub(crate) fn argument(context: &RawTracePointContext, index: usize) -> u64 {
    // SAFETY: the context of a raw tracepoint is an array of 64-bit arguments,
    // of which these tracepoints have at least `index + 1`.
    unsafe { *context.as_ptr().cast::<u64>().add(index) }
}

/// Removes a process from the table. Returns its key, or 0 when it was not there.
#[inline(always)]
fn forget(tgid: u32) -> ProcessKey {
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return ProcessKey(0);
    };
    // SAFETY: an element of a preallocated map stays readable.
    let key = unsafe { (*config).key };
    // An error means that user space was faster; the process is gone either way.
    let _ = PROCESSES.remove(tgid);
    key
}

#[inline(always)]
fn event(event: LifecycleKind, key: ProcessKey, tgid: u32) -> LifecycleRecord {
    LifecycleRecord {
        kind: RecordKind::Lifecycle as u32,
        event: event as u32,
        // SAFETY: the helper has no preconditions.
        time: unsafe { bpf_ktime_get_ns() },
        key,
        parent_key: ProcessKey(0),
        tgid,
        parent_tgid: 0,
        tid: 0,
        is_non_python: 0,
        program: ProgramId::UNKNOWN,
        times: TaskTimes::default(),
        ended: TaskTimes::default(),
        exit_code: 0,
        padding: 0,
    }
}

#[inline(always)]
fn report(record: LifecycleRecord) -> i32 {
    report_with(record, Urgency::Now)
}

#[inline(always)]
fn report_with(record: LifecycleRecord, urgency: Urgency) -> i32 {
    if send(bytemuck::bytes_of(&record), urgency) {
        count(Counter::Lifecycle);
    } else {
        count(Counter::LostLifecycle);
    }
    0
}

/// Whether there are scans of waiting threads.
#[inline(always)]
pub(crate) fn has_scans() -> bool {
    is_set(&HAS_SCANS)
}

#[inline(always)]
fn is_set(flag: &'static u32) -> bool {
    // SAFETY: a reference is valid to read; volatile, since the loader replaces
    // the value that the compiler sees.
    unsafe { core::ptr::read_volatile(flag) != 0 }
}
