//! Fields of the kernel's `task_struct` and of the file of a program. It refuses to know their offsets: user
//! space reads them from the kernel's own BTF and sets them before loading,
//! since rustc emits no relocations for them.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::{bpf_get_current_task, bpf_probe_read_kernel};
use sampler_common::lifecycle::ProgramId;
use sampler_common::sample::Comm;

use crate::namespace;

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        static $name: u32 = 0;
    )*};
}
pub(crate) use offsets;

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
    /// `task_struct.signal`.
    TASK_SIGNAL
    /// `signal_struct.live`: threads that have not exited.
    SIGNAL_LIVE
    /// `linux_binprm.file`: of the program that is started.
    PROGRAM_FILE
    /// `file.f_inode`.
    FILE_INODE
    /// `inode.i_ino`.
    INODE_NUMBER
    /// `inode.i_generation`.
    INODE_GENERATION
    /// `inode.i_sb`.
    INODE_FILE_SYSTEM
    /// `super_block.s_dev`.
    FILE_SYSTEM_DEVICE
}

#[inline(always)]
pub(crate) fn offset(of: &'static u32) -> u64 {
    // SAFETY: a reference is valid to read; volatile, since the loader replaces
    // the value that the compiler sees.
    u64::from(unsafe { core::ptr::read_volatile(of) })
}

/// The file that `program`, a `struct linux_binprm`, is started from. Zeros where
/// that cannot be read.
#[inline(always)]
pub(crate) fn program_id(program: u64) -> ProgramId {
    let read = || {
        let pointer =
            |base: u64, of: &'static u32| Task::read::<u64>(base.wrapping_add(offset(of)));
        let inode = pointer(pointer(program, &PROGRAM_FILE)?, &FILE_INODE)?;
        let file_system = pointer(inode, &INODE_FILE_SYSTEM)?;
        Some(ProgramId {
            inode: pointer(inode, &INODE_NUMBER)?,
            device: Task::read(file_system.wrapping_add(offset(&FILE_SYSTEM_DEVICE)))?,
            generation: Task::read(inode.wrapping_add(offset(&INODE_GENERATION)))?,
        })
    };
    read().unwrap_or(ProgramId {
        inode: 0,
        device: 0,
        generation: 0,
    })
}

/// A kernel pointer to a task.
#[derive(Clone, Copy)]
pub(crate) struct Task(u64);

impl Task {
    /// The task that was interrupted.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: the helper has no preconditions.
        Self(unsafe { bpf_get_current_task() })
    }

    /// The task a raw tracepoint was given.
    #[inline(always)]
    pub(crate) fn from_pointer(pointer: u64) -> Self {
        Self(pointer)
    }

    #[inline(always)]
    pub(crate) fn read<T>(address: u64) -> Option<T> {
        // SAFETY: the helper checks the address; all uses read plain integers.
        unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
    }

    /// The thread pointer of its user side, the base of its thread-local data.
    /// Of a thread that has no user side, one that was copied: see
    /// [`Self::is_io_worker`].
    #[inline(always)]
    pub(crate) fn thread_pointer(self) -> Option<u64> {
        Self::read(self.0.wrapping_add(offset(&TASK_THREAD_POINTER)))
    }

    /// Whether the kernel made it in its process, for an `io_uring`. It has never
    /// run code of the program, and has a copy of the thread pointer of the thread
    /// that it was made for (`copy_thread`, arch/x86/kernel/process.c of 5.12 on).
    #[inline(always)]
    pub(crate) fn is_io_worker(self) -> Option<bool> {
        let flags: u32 = Self::read(self.0.wrapping_add(offset(&TASK_FLAGS)))?;
        Some(flags & IO_WORKER != 0)
    }

    /// The kernel's name of the thread.
    #[inline(always)]
    pub(crate) fn comm(self) -> Option<Comm> {
        Self::read(self.0.wrapping_add(offset(&TASK_COMM)))
    }

    /// Thread id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tid(self) -> Option<u32> {
        if namespace::is_needed() {
            return namespace::tid(self);
        }
        Self::read(self.0.wrapping_add(offset(&TASK_PID)))
    }

    /// Thread group id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tgid(self) -> Option<u32> {
        if namespace::is_needed() {
            return namespace::tgid(self);
        }
        Self::read(self.0.wrapping_add(offset(&TASK_TGID)))
    }

    /// Thread id and thread group id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        Some((self.tid()?, self.tgid()?))
    }

    /// A pointer in its record.
    #[inline(always)]
    pub(crate) fn pointer_at(self, of: &'static u32) -> Option<u64> {
        Self::read(self.0.wrapping_add(offset(of)))
    }

    /// A pointer in what its process shares, `signal_struct`.
    #[inline(always)]
    pub(crate) fn signal_pointer_at(self, of: &'static u32) -> Option<u64> {
        let signal = self.pointer_at(&TASK_SIGNAL)?;
        Self::read(signal.wrapping_add(offset(of)))
    }

    /// Threads of its process that have not exited.
    #[inline(always)]
    pub(crate) fn live_threads(self) -> Option<u32> {
        let signal = self.pointer_at(&TASK_SIGNAL)?;
        Self::read(signal.wrapping_add(offset(&SIGNAL_LIVE)))
    }
}

/// The task that an iterator is at. Its fields are read directly: the verifier
/// knows what it points to, and that the offsets are constants.
#[derive(Clone, Copy)]
pub(crate) struct PassedTask(pub(crate) *mut task_struct);

/// `PF_EXITING` (`include/linux/sched.h`).
const EXITING: u32 = 4;
/// `PF_IO_WORKER` of 5.12 on. Before, such threads were no part of a process, and
/// the bit was that of a thread that executes a virtual machine.
const IO_WORKER: u32 = 0x10;

impl PassedTask {
    #[inline(always)]
    fn field<T: Copy>(self, of: &'static u32) -> T {
        // SAFETY: the task is the iterator's, and the offset one of its fields'.
        unsafe {
            core::ptr::read_volatile(self.0.cast::<u8>().add(offset(of) as usize).cast::<T>())
        }
    }

    /// Its thread id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tid(self) -> Option<u32> {
        if namespace::is_needed() {
            return namespace::tid(self.as_task());
        }
        Some(self.field(&TASK_PID))
    }

    /// Its thread group id, in the pid namespace of user space.
    #[inline(always)]
    pub(crate) fn tgid(self) -> Option<u32> {
        if namespace::is_needed() {
            return namespace::tgid(self.as_task());
        }
        Some(self.field(&TASK_TGID))
    }

    /// The same, as any other task.
    #[inline(always)]
    pub(crate) fn as_task(self) -> Task {
        Task::from_pointer(self.0 as u64)
    }

    /// Whether it is on its way out and has no memory any more, or soon.
    #[inline(always)]
    pub(crate) fn is_exiting(self) -> bool {
        self.field::<u32>(&TASK_FLAGS) & EXITING != 0
    }

    /// As [`Task::is_io_worker`].
    #[inline(always)]
    pub(crate) fn is_io_worker(self) -> bool {
        self.field::<u32>(&TASK_FLAGS) & IO_WORKER != 0
    }

    /// Whether a CPU executes it.
    #[inline(always)]
    pub(crate) fn is_running(self) -> bool {
        // An `int`, or a byte since Linux 7: its lowest byte in any case.
        self.field::<u8>(&TASK_ON_CPU) != 0
    }

    /// The CPU that it is on or was on last.
    #[inline(always)]
    pub(crate) fn cpu(self) -> u32 {
        self.field(&TASK_CPU)
    }

    /// What it waits for, in the kernel's terms.
    #[inline(always)]
    pub(crate) fn state(self) -> u32 {
        self.field(&TASK_STATE)
    }

    /// How often it has left a CPU.
    #[inline(always)]
    pub(crate) fn switches(self) -> u64 {
        self.field::<u64>(&TASK_VOLUNTARY_SWITCHES)
            .wrapping_add(self.field::<u64>(&TASK_INVOLUNTARY_SWITCHES))
    }

    /// When it started.
    #[inline(always)]
    pub(crate) fn start_time(self) -> u64 {
        self.field(&TASK_START_TIME)
    }
}
