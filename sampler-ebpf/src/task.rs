// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Reads what the kernel knows of a task, and of the file of a program.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_task_btf};
use sampler_common::lifecycle::{ProgramId, TaskTimes};
use sampler_common::off_cpu_time::OffCpuTime;
use sampler_common::sample::Comm;

use crate::kernel_fields::{field, offset, offsets};
use crate::namespace;

offsets! {
    /// `task_struct.thread.fsbase`.
    TASK_THREAD_POINTER
    /// `task_struct.pid`: what user space calls a thread id.
    TASK_PID
    /// `task_struct.tgid`.
    TASK_TGID
    /// `task_struct.comm`.
    TASK_COMM
    /// `task_struct.flags`.
    TASK_FLAGS
    /// `task_struct.thread_info.cpu`, or `.cpu` before Linux 5.16.
    TASK_CPU
    /// `task_struct.on_cpu`.
    TASK_ON_CPU
    /// `task_struct.__state`.
    TASK_STATE
    /// `task_struct.nvcsw`: how often it gave up its CPU.
    TASK_VOLUNTARY_SWITCHES
    /// `task_struct.nivcsw`: how often its CPU was taken from it.
    TASK_INVOLUNTARY_SWITCHES
    /// `task_struct.start_boottime`.
    TASK_START_TIME
    /// `task_struct.start_time`: by `CLOCK_MONOTONIC`, as all times here.
    TASK_MONOTONIC_START
    /// `task_struct.sched_info.run_delay`: how long it has waited for CPUs that it then got,
    /// in nanoseconds.
    TASK_RUN_DELAY
    /// `task_struct.sched_info.last_arrival`: when it last got a CPU, by the clock of the
    /// run queues in nanoseconds. The offset is 0 where the kernel has no
    /// `CONFIG_SCHED_INFO`.
    TASK_LAST_ARRIVAL
    /// `task_struct.sched_info.last_queued`: when it began to wait for a CPU; 0 unless it
    /// waits for one.
    TASK_LAST_QUEUED
    /// `task_struct.se.sum_exec_runtime`.
    TASK_RUNTIME
    /// `task_struct.utime`.
    TASK_USER_TIME
    /// `task_struct.stime`.
    TASK_SYSTEM_TIME
    /// `task_struct.exit_code`.
    TASK_EXIT_CODE
    /// `task_struct.signal`.
    TASK_SIGNAL
    /// `signal_struct.live`: threads that have not exited.
    SIGNAL_LIVE
    /// `signal_struct.sum_sched_runtime`: of the threads that have ended.
    SIGNAL_RUNTIME
    /// `signal_struct.utime`.
    SIGNAL_USER_TIME
    /// `signal_struct.stime`.
    SIGNAL_SYSTEM_TIME
    /// `linux_binprm.file`: the file of the program that is started.
    PROGRAM_FILE
    /// `file.f_inode`.
    FILE_INODE
    /// `inode.i_ino`.
    INODE_NUMBER
    /// `inode.i_generation`.
    INODE_GENERATION
    /// `inode.i_size`.
    INODE_SIZE
    /// The seconds of `inode.i_ctime`.
    INODE_CHANGED_SECONDS
    /// The nanoseconds of `inode.i_ctime`.
    INODE_CHANGED_NANOSECONDS
    /// `inode.i_sb`.
    INODE_FILE_SYSTEM
    /// `super_block.s_dev`.
    FILE_SYSTEM_DEVICE
}

/// Returns the identity of the file that `program`, a `struct linux_binprm`, is started
/// from. Zeros where it cannot be read.
#[inline(always)]
pub(crate) fn program_id(program: u64) -> ProgramId {
    let read = || {
        let pointer = |base: u64, of: &'static u32| field::<u64>(base, of);
        let inode = pointer(pointer(program, &PROGRAM_FILE)?, &FILE_INODE)?;
        let file_system = pointer(inode, &INODE_FILE_SYSTEM)?;
        Some(ProgramId {
            inode: pointer(inode, &INODE_NUMBER)?,
            device: field(file_system, &FILE_SYSTEM_DEVICE)?,
            generation: field(inode, &INODE_GENERATION)?,
            size: pointer(inode, &INODE_SIZE)?,
            changed: {
                let seconds = pointer(inode, &INODE_CHANGED_SECONDS)?;
                let nanoseconds = field::<u32>(inode, &INODE_CHANGED_NANOSECONDS)? & NANOSECONDS;
                seconds
                    .wrapping_mul(1_000_000_000)
                    .wrapping_add(nanoseconds.into())
            },
        })
    };
    read().unwrap_or(ProgramId::UNKNOWN)
}

/// The bits of a number of nanoseconds. In a bit above them, Linux notes since 6.13 that
/// someone has asked for the time (`I_CTIME_QUERIED`, `include/linux/fs.h`).
const NANOSECONDS: u32 = (1 << 30) - 1;

/// The kernel's pointer to a task.
#[derive(Clone, Copy)]
pub(crate) struct Task(u64);

impl Task {
    /// Returns the current task: in a tick, the one that was interrupted.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: the helper has no preconditions.
        Self(unsafe { bpf_get_current_task() })
    }

    /// Returns the task that a pointer of the kernel leads to, such as an argument of a
    /// raw tracepoint.
    #[inline(always)]
    pub(crate) fn from_pointer(pointer: u64) -> Self {
        Self(pointer)
    }

    /// Returns the thread pointer that it has in user mode, the base of its thread-local
    /// storage. A thread that never runs in user mode has a copied one: see
    /// [`Self::is_io_worker`].
    #[inline(always)]
    pub(crate) fn thread_pointer(self) -> Option<u64> {
        field(self.0, &TASK_THREAD_POINTER)
    }

    /// Whether the kernel made it in its process, for an `io_uring`. Such a thread has
    /// never run code of the program, and has a copy of the thread pointer of the thread
    /// that it was made for (`copy_thread`, arch/x86/kernel/process.c from 5.12).
    #[inline(always)]
    pub(crate) fn is_io_worker(self) -> Option<bool> {
        let flags: u32 = field(self.0, &TASK_FLAGS)?;
        Some(flags & IO_WORKER != 0)
    }

    /// Returns the kernel's name of the thread.
    #[inline(always)]
    pub(crate) fn comm(self) -> Option<Comm> {
        field(self.0, &TASK_COMM)
    }

    /// Returns the thread id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tid(self) -> Option<u32> {
        if namespace::is_needed() {
            return namespace::tid(self.0);
        }
        field(self.0, &TASK_PID)
    }

    /// Returns the thread group id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tgid(self) -> Option<u32> {
        if namespace::is_needed() {
            return namespace::tgid(self.signal()?);
        }
        field(self.0, &TASK_TGID)
    }

    /// Returns the thread id and the thread group id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        Some((self.tid()?, self.tgid()?))
    }

    /// Returns the `signal_struct` that all threads of its process share.
    #[inline(always)]
    fn signal(self) -> Option<u64> {
        self.pointer_at(&TASK_SIGNAL)
    }

    /// Reads 64 bits of its `task_struct`: a pointer, or a number of this size.
    #[inline(always)]
    fn pointer_at(self, of: &'static u32) -> Option<u64> {
        field(self.0, of)
    }

    /// Reads 64 bits of the `signal_struct` that all threads of its process share.
    #[inline(always)]
    fn signal_pointer_at(self, of: &'static u32) -> Option<u64> {
        field(self.signal()?, of)
    }

    /// Returns when it last got a CPU. Only where [`has_queueing`] says so.
    #[inline(always)]
    fn last_arrival(self) -> u64 {
        self.pointer_at(&TASK_LAST_ARRIVAL).unwrap_or(0)
    }

    /// Returns its CPU time so far.
    #[inline(always)]
    pub(crate) fn times(self) -> TaskTimes {
        let at = |of| self.pointer_at(of).unwrap_or(0);
        TaskTimes {
            runtime: at(&TASK_RUNTIME),
            user: at(&TASK_USER_TIME),
            system: at(&TASK_SYSTEM_TIME),
        }
    }

    /// Returns the CPU time of all threads of its process that have ended and are gone.
    #[inline(always)]
    pub(crate) fn times_of_ended(self) -> TaskTimes {
        let at = |of| self.signal_pointer_at(of).unwrap_or(0);
        TaskTimes {
            runtime: at(&SIGNAL_RUNTIME),
            user: at(&SIGNAL_USER_TIME),
            system: at(&SIGNAL_SYSTEM_TIME),
        }
    }

    /// Returns what it ended with, as wait(2) reports it; it is set before
    /// `sched_process_exit` (`kernel/exit.c`, do_exit).
    #[inline(always)]
    pub(crate) fn exit_code(self) -> u32 {
        field(self.0, &TASK_EXIT_CODE).unwrap_or(0)
    }

    /// Returns the number of threads of its process that have not exited.
    #[inline(always)]
    pub(crate) fn live_threads(self) -> Option<u32> {
        field(self.signal()?, &SIGNAL_LIVE)
    }
}

/// Returns the thread group id of the current task. The helper is cheaper, but knows only
/// the initial namespace.
#[inline(always)]
pub(crate) fn current_tgid() -> Option<u32> {
    if namespace::is_needed() {
        return Task::current().tgid();
    }
    Some((bpf_get_current_pid_tgid() >> 32) as u32)
}

/// Returns the thread id of the current task.
#[inline(always)]
pub(crate) fn current_tid() -> Option<u32> {
    if namespace::is_needed() {
        return Task::current().tid();
    }
    Some(bpf_get_current_pid_tgid() as u32)
}

/// Whether the kernel says how tasks wait for CPUs (`CONFIG_SCHED_INFO`).
#[inline(always)]
pub(crate) fn has_queueing() -> bool {
    offset(&TASK_LAST_QUEUED) != 0
}

/// The task that an iterator is at, or the current one. Its fields are read directly: the
/// verifier knows the type of the pointer, and that the offsets are constants.
#[derive(Clone, Copy)]
pub(crate) struct TypedTask(pub(crate) *mut task_struct);

/// `PF_EXITING` (`include/linux/sched.h`).
const EXITING: u32 = 4;
/// `PF_IO_WORKER`, from 5.12. Before, such threads were not part of a process, and the
/// bit marked a thread that executes a virtual machine.
const IO_WORKER: u32 = 0x10;

impl TypedTask {
    /// Returns the current task (Linux 5.11).
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: the helper has no preconditions.
        Self(unsafe { bpf_get_current_task_btf() })
    }

    #[inline(always)]
    fn field<T: Copy>(self, of: &'static u32) -> T {
        // SAFETY: the task is the iterator's or the current one, and the offset is that of
        // one of its fields.
        unsafe {
            core::ptr::read_volatile(self.0.cast::<u8>().add(offset(of) as usize).cast::<T>())
        }
    }

    /// Returns its thread id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tid(self) -> Option<u32> {
        if namespace::is_needed() {
            return self.as_task().tid();
        }
        Some(self.field(&TASK_PID))
    }

    /// Returns its thread group id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tgid(self) -> Option<u32> {
        if namespace::is_needed() {
            return self.as_task().tgid();
        }
        Some(self.field(&TASK_TGID))
    }

    /// Returns the same task, read like any other.
    #[inline(always)]
    pub(crate) fn as_task(self) -> Task {
        Task::from_pointer(self.0 as u64)
    }

    /// Whether it is exiting, and has no memory any more, or soon will have none.
    #[inline(always)]
    pub(crate) fn is_exiting(self) -> bool {
        self.field::<u32>(&TASK_FLAGS) & EXITING != 0
    }

    /// As [`Task::is_io_worker`].
    #[inline(always)]
    pub(crate) fn is_io_worker(self) -> bool {
        self.field::<u32>(&TASK_FLAGS) & IO_WORKER != 0
    }

    /// Whether it is running on a CPU.
    #[inline(always)]
    pub(crate) fn is_running(self) -> bool {
        // An `int`, or a byte since Linux 7: its lowest byte in any case.
        self.field::<u8>(&TASK_ON_CPU) != 0
    }

    /// Returns the CPU that it is on or was on last.
    #[inline(always)]
    pub(crate) fn cpu(self) -> u32 {
        self.field(&TASK_CPU)
    }

    /// Returns its `__state`: what it waits for, in the kernel's terms.
    #[inline(always)]
    pub(crate) fn state(self) -> u32 {
        self.field(&TASK_STATE)
    }

    /// Whether it began to wait for a CPU after the current task, which makes the scan,
    /// got its own. False where the kernel does not say.
    #[inline(always)]
    pub(crate) fn is_queued_since_scan(self) -> bool {
        has_queueing() && self.last_queued() > Task::current().last_arrival()
    }

    /// Returns for how long it has been off CPU up to now (`CLOCK_MONOTONIC`). Only where
    /// [`has_queueing`] says so.
    #[inline(always)]
    pub(crate) fn off_cpu_time(self, now: u64) -> OffCpuTime {
        let last_queued = self.last_queued();
        // A wait that goes on is in no sum. No eBPF program can read the clock of the run
        // queues, but the scan got its CPU just now.
        let current = if last_queued != 0 {
            Task::current().last_arrival().saturating_sub(last_queued)
        } else {
            0
        };
        let queued = self.field::<u64>(&TASK_RUN_DELAY).wrapping_add(current);
        OffCpuTime {
            asleep: now.wrapping_sub(self.runtime()).wrapping_sub(queued),
            queued,
        }
    }

    /// Returns since when it waits for a CPU; 0 unless it waits for one.
    #[inline(always)]
    fn last_queued(self) -> u64 {
        self.field(&TASK_LAST_QUEUED)
    }

    /// Returns its CPU time, as of the moment at which it last left a CPU or the kernel
    /// last counted it.
    #[inline(always)]
    pub(crate) fn runtime(self) -> u64 {
        self.field(&TASK_RUNTIME)
    }

    /// Returns how often it has given up a CPU, without those that were taken from it.
    #[inline(always)]
    pub(crate) fn voluntary_switches(self) -> u64 {
        self.field(&TASK_VOLUNTARY_SWITCHES)
    }

    /// Returns when it started (`CLOCK_MONOTONIC`).
    #[inline(always)]
    pub(crate) fn monotonic_start(self) -> u64 {
        self.field(&TASK_MONOTONIC_START)
    }

    /// Returns how often it has left a CPU.
    #[inline(always)]
    pub(crate) fn switches(self) -> u64 {
        self.field::<u64>(&TASK_VOLUNTARY_SWITCHES)
            .wrapping_add(self.field::<u64>(&TASK_INVOLUNTARY_SWITCHES))
    }

    /// Returns when it started, in nanoseconds since boot.
    #[inline(always)]
    pub(crate) fn start_time(self) -> u64 {
        self.field(&TASK_START_TIME)
    }
}
