// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Reports signals that end followed processes, with their senders. Loaded only when last
//! words are wanted.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use sampler_common::counter::Counter;
use sampler_common::sample::RecordKind;
use sampler_common::signal::{SIGKILL, SignalOrigin, SignalRecord, is_reported};

use crate::counts::count;
use crate::kernel_fields::read;
use crate::lifecycle::argument;
use crate::maps::{PROCESSES, Urgency, send};
use crate::task::Task;

/// `SEND_SIG_PRIV` (`include/linux/signal.h`): stands for a `kernel_siginfo` of the kernel.
const FROM_KERNEL: u64 = 1;
/// `TRACE_SIGNAL_DELIVERED` (`include/trace/events/signal.h`).
const DELIVERED: u32 = 0;
/// Where `si_code` is in a `kernel_siginfo` (`__ARCH_SIGINFO`, `asm-generic/siginfo.h`).
const CODE: u64 = 8;
/// More than any process id (`PID_MAX_LIMIT`), and less than any address of the kernel.
const NO_PID: u64 = 1 << 23;

/// `signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task,
/// int group, int result)`. It may run in an interrupt, with the signal lock held.
#[raw_tracepoint(tracepoint = "signal_generate")]
fn signal_sent(context: RawTracePointContext) -> i32 {
    let signal = argument(&context, 0) as u32;
    if !is_reported(signal) || argument(&context, 4) as u32 != DELIVERED {
        return 0;
    }
    let Some(target) = Task::from_pointer(argument(&context, 2)).tgid() else {
        count(Counter::TaskFault);
        return 0;
    };
    let info = argument(&context, 1);
    // Positive codes are the kernel's (`SI_FROMUSER`). Without information, the sender is
    // the current process.
    let is_kernels = info == FROM_KERNEL
        || info > FROM_KERNEL && read::<i32>(info.wrapping_add(CODE)).is_some_and(|it| it > 0);
    let origin = if is_kernels {
        SignalOrigin::Kernel
    } else {
        SignalOrigin::Process
    };
    report(target, signal, origin)
}

/// `mark_victim(struct task_struct *task, uid_t uid)`; before 6.9, `mark_victim(int pid)`.
#[raw_tracepoint(tracepoint = "mark_victim")]
fn victim_marked(context: RawTracePointContext) -> i32 {
    let victim = argument(&context, 0);
    let tgid = if victim < NO_PID {
        // Of the initial pid namespace. The killer takes the main thread as a rule. Without
        // it, the process counts as killed by the kernel.
        Some(victim as u32)
    } else {
        Task::from_pointer(victim).tgid()
    };
    let Some(tgid) = tgid else {
        count(Counter::TaskFault);
        return 0;
    };
    report(tgid, SIGKILL, SignalOrigin::OutOfMemory)
}

#[inline(always)]
fn report(tgid: u32, signal: u32, origin: SignalOrigin) -> i32 {
    let Some(config) = PROCESSES.get_ptr(tgid) else {
        return 0;
    };
    // SAFETY: an element of a preallocated map stays readable. It may have become another
    // process's; user space takes no record whose key and tgid do not belong together.
    let key = unsafe { (*config).key };
    let sender = Task::current();
    let record = SignalRecord {
        kind: RecordKind::Signal as u32,
        signal,
        // SAFETY: the helper has no preconditions.
        time: unsafe { bpf_ktime_get_ns() },
        key,
        tgid,
        origin: origin as u32,
        sender: sender.tgid().unwrap_or(0),
        padding: 0,
        comm: sender.comm().unwrap_or_default(),
    };
    if send(bytemuck::bytes_of(&record), Urgency::Whenever) {
        count(Counter::Lifecycle);
    } else {
        count(Counter::LostLifecycle);
    }
    0
}
