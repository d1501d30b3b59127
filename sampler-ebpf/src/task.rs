//! Fields of the kernel's `task_struct`. It refuses to know their offsets: user
//! space reads them from the kernel's own BTF and sets them before loading,
//! since rustc emits no relocations for them.

use aya_ebpf::helpers::{bpf_get_current_task, bpf_probe_read_kernel};

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        static $name: u32 = 0;
    )*};
}

offsets! {
    /// `task_struct.thread.fsbase`.
    TASK_THREAD_POINTER
    /// `task_struct.pid`: what user space calls a thread id.
    TASK_PID
    /// `task_struct.tgid`.
    TASK_TGID
    /// `task_struct.signal`.
    TASK_SIGNAL
    /// `signal_struct.live`: threads that have not exited.
    SIGNAL_LIVE
}

#[inline(always)]
fn offset(of: &'static u32) -> u64 {
    // SAFETY: a reference is valid to read; volatile, since the loader replaces
    // the value that the compiler sees.
    u64::from(unsafe { core::ptr::read_volatile(of) })
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
    fn read<T>(address: u64) -> Option<T> {
        // SAFETY: the helper checks the address; all uses read plain integers.
        unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
    }

    /// The thread pointer of its user side, the base of its thread-local data.
    #[inline(always)]
    pub(crate) fn thread_pointer(self) -> Option<u64> {
        Self::read(self.0.wrapping_add(offset(&TASK_THREAD_POINTER)))
    }

    /// Thread id and thread group id, in the initial pid namespace.
    #[inline(always)]
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        let tid = Self::read(self.0.wrapping_add(offset(&TASK_PID)))?;
        let tgid = Self::read(self.0.wrapping_add(offset(&TASK_TGID)))?;
        Some((tid, tgid))
    }

    /// Threads of its process that have not exited.
    #[inline(always)]
    pub(crate) fn live_threads(self) -> Option<u32> {
        let signal: u64 = Self::read(self.0.wrapping_add(offset(&TASK_SIGNAL)))?;
        Self::read(signal.wrapping_add(offset(&SIGNAL_LIVE)))
    }
}
