// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! What the kernel and the interpreter tell of a thread's wait, and how the time that it
//! represents gets into its record.

use aya_ebpf::helpers::bpf_task_pt_regs;
use sampler_common::memory::UserMemory;
use sampler_common::off_cpu_time::OffCpuTime;
use sampler_common::process::ProcessConfig;
use sampler_common::wait::{KnownGil, WaitFacts, telling_argument};

use crate::maps::Sampling;
use crate::task::TypedTask;

/// `__state` of a thread that waits for a CPU, and of one that waits for an event.
pub(crate) const RUNNABLE: u32 = 0;
pub(crate) const INTERRUPTIBLE: u32 = 1;

/// `__NR_futex` of x86_64.
const FUTEX: i32 = 202;
/// Offsets in `struct pt_regs` of x86_64 (`arch/x86/include/asm/ptrace.h`).
const FIRST_ARGUMENT: usize = 112;
const SECOND_ARGUMENT: usize = 104;
const SYSTEM_CALL: usize = 120;

/// Returns the system call that the task is in, and the argument that tells what it waits
/// for.
#[inline(always)]
pub(crate) fn system_call(task: TypedTask) -> (i32, u64) {
    // SAFETY: the helper takes a task whose type the verifier knows, and what it returns
    // may be read as the registers at the thread's entry into the kernel.
    let (syscall, first, second) = unsafe {
        let registers = bpf_task_pt_regs(task.0) as *const u8;
        (
            *registers.add(SYSTEM_CALL).cast::<u64>() as i32,
            *registers.add(FIRST_ARGUMENT).cast::<u64>(),
            *registers.add(SECOND_ARGUMENT).cast::<u64>(),
        )
    };
    (syscall, telling_argument(syscall, first, second))
}

/// Adds the time that a sample represents: what the thread is not found doing now, it did
/// before.
#[inline(always)]
pub(crate) fn add_shares(wait: &mut WaitFacts, shares: OffCpuTime) {
    if wait.task_state == RUNNABLE {
        wait.weight = shares.queued;
        wait.unchanged = wait.unchanged.wrapping_add(shares.asleep);
    } else {
        wait.weight = shares.asleep;
        wait.queued = wait.queued.wrapping_add(shares.queued);
    }
}

/// Adds the address of the GIL, for a thread that waits for a futex.
#[inline(always)]
pub(crate) fn add_gil<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    sampling: &mut Sampling,
    known: Option<&mut KnownGil>,
) {
    let Sampling { sample, search, .. } = sampling;
    let header = &mut sample.header;
    if header.wait.syscall == FUTEX
        && header.thread_state != 0
        && let Some(known) = known
    {
        header.wait.gil = known.address(memory, config, &search.state, header.life, header.time);
    }
}
