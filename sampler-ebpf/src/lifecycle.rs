//! Follows processes as they fork, run new programs and end, so that a forked
//! worker is sampled from its first tick. It refuses to look at interpreters: a
//! child has its parent's layout and addresses until it runs a new program.
//!
//! These programs run in process context, where writing a shared map is safe.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use sampler_common::counter::Counter;
use sampler_common::fingerprint::child_key;
use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord, ProgramId};
use sampler_common::process::{ProcessKey, ProcessState};
use sampler_common::sample::RecordKind;

use crate::maps::{PLAIN_PROGRAMS, PROCESSES, THREADS, Urgency, count, open_account, send};
use crate::task::{Task, program_id};

/// 1 when forked children are followed too. Set before loading.
#[unsafe(no_mangle)]
static FOLLOW_CHILDREN: u32 = 1;

/// 1 when programs that start in processes not followed so far are reported.
#[unsafe(no_mangle)]
static REPORT_ALL_EXECS: u32 = 1;

/// 1 when a followed process that starts a program without Python is left alone.
#[unsafe(no_mangle)]
static LEAVE_PLAIN_PROGRAMS: u32 = 0;

/// 1 when the ends of single threads are reported: their last rows would go on
/// for ever where waiting threads are sampled. Set before loading.
#[unsafe(no_mangle)]
static REPORT_THREAD_EXITS: u32 = 0;

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
    // SAFETY: an element of a preallocated map stays readable; the parent is
    // here, in its own system call, so the element is still its own.
    let mut config = unsafe { *config };
    let parent_key = config.key;
    // SAFETY: the helper has no preconditions.
    let time = unsafe { bpf_ktime_get_ns() };
    config.key = child_key(parent_key, child, time);
    if PROCESSES.insert(child, config, 0).is_err() {
        count(Counter::ProcessTableFull);
        return 0;
    }
    // The child is sampled already. Only passes wait for user space to know it.
    let urgency = if is_set(&REPORT_THREAD_EXITS) {
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
/// A followed process goes on being followed, as a new life that has no known
/// interpreter yet; so what it forks before user space has looked at it is
/// followed as well. On a whole host, a program that never had Python in it is
/// left alone at once: hosts start hundreds of those a second.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn process_exec(context: RawTracePointContext) -> i32 {
    let Some((_, tgid)) = task(&context, 0).ids() else {
        count(Counter::TaskFault);
        return 0;
    };
    // In a pid namespace that is not user space's and not below it.
    if tgid == 0 {
        return 0;
    }
    let program = program_id(argument(&context, 2));
    let is_plain = PLAIN_PROGRAMS.get_ptr(program).is_some();
    if is_plain {
        count(Counter::PlainPrograms);
        if is_set(&LEAVE_PLAIN_PROGRAMS) {
            return leave(tgid);
        }
    }
    let mut record = event(LifecycleKind::Exec, ProcessKey(0), tgid);
    record.program = program;
    record.is_plain = u32::from(is_plain);
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return if is_set(&REPORT_ALL_EXECS) && !is_plain {
            report(record)
        } else {
            0
        };
    };
    // SAFETY: an element of a preallocated map stays readable; the process is
    // here, in its own system call, so the element is still its own.
    let mut config = unsafe { *config };
    record.parent_key = config.key;
    record.key = child_key(config.key, tgid, record.time);
    config.key = record.key;
    config.state = ProcessState::Followed as u32;
    open_account(config.key);
    if PROCESSES.insert(tgid, config, 0).is_err() {
        count(Counter::ProcessTableFull);
        return 0;
    }
    let urgency = if is_plain {
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
    if is_set(&REPORT_THREAD_EXITS) {
        // An error means that no pass has seen it.
        let _ = THREADS.remove(tid);
    }
    // `live` is counted down before the tracepoint (`kernel/exit.c`, do_exit).
    if task.live_threads().is_none_or(|live| live != 0) {
        return thread_exit(tid, tgid);
    }
    leave(tgid)
}

/// Follows a process no longer, and says so if it was followed.
#[inline(always)]
fn leave(tgid: u32) -> i32 {
    let key = forget(tgid);
    if key == ProcessKey(0) {
        return 0;
    }
    report_with(event(LifecycleKind::Exit, key, tgid), Urgency::Whenever)
}

/// A thread ended while others of its process go on.
#[inline(always)]
fn thread_exit(tid: u32, tgid: u32) -> i32 {
    if !is_set(&REPORT_THREAD_EXITS) {
        return 0;
    }
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable; its process is
    // here, in one of its threads.
    let key = unsafe { (*config).key };
    let mut record = event(LifecycleKind::ThreadExit, key, tgid);
    record.tid = tid;
    report_with(record, Urgency::Whenever)
}

#[inline(always)]
fn task(context: &RawTracePointContext, index: usize) -> Task {
    Task::from_pointer(argument(context, index))
}

#[inline(always)]
fn argument(context: &RawTracePointContext, index: usize) -> u64 {
    // SAFETY: the context of a raw tracepoint is an array of 64-bit arguments,
    // of which these tracepoints have at least `index + 1`.
    unsafe { *context.as_ptr().cast::<u64>().add(index) }
}

/// Takes a process out of the table; its key, or 0 when it was not there.
#[inline(always)]
fn forget(tgid: u32) -> ProcessKey {
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return ProcessKey(0);
    };
    // SAFETY: an element of a preallocated map stays readable.
    let key = unsafe { (*config).key };
    // An error means that user space was faster; either way it is gone.
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
        is_plain: 0,
        program: ProgramId {
            inode: 0,
            device: 0,
            generation: 0,
        },
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

#[inline(always)]
fn is_set(flag: &'static u32) -> bool {
    // SAFETY: a reference is valid to read; volatile, since the loader replaces
    // the value that the compiler sees.
    unsafe { core::ptr::read_volatile(flag) != 0 }
}
