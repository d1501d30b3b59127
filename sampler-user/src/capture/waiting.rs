// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells what a thread that is off CPU waits for, from what the kernel knows of it. What
//! cannot be told is `waiting`.
//!
//! | state | how it is told | its limits |
//! |---|---|---|
//! | runnable | `task_struct.__state` is 0, no CPU | |
//! | stopped | `__state` has the stopped, the traced or the frozen bit; or in no system call and asleep interruptibly, as threads of a frozen cgroup are | in a frozen cgroup, a thread in a system call keeps the state of that call |
//! | page fault | in no system call, and asleep uninterruptibly | |
//! | waiting for GIL | in `futex`, at an address inside `_gil_runtime_state` | hardly on musl, whose condition variables wait on the stack; not in 3.6 |
//! | lock | in `futex`, anywhere else; in `flock`, `fcntl`, `semop`, `futex_waitv` | not where the GIL is not known, nor on musl; joins of threads count as locks |
//! | I/O | in a call that reads, writes, polls, connects, syncs, or works on files and directories | an idle event loop is I/O |
//! | sleeping | in `nanosleep`, `clock_nanosleep`, `select` or `poll` without a descriptor, or a read of a timer | |
//! | waiting | all others: child processes, signals, unknown calls | |
//!
//! CPython's `take_gil` waits on `gil->cond` and `gil->mutex`, which are parts of
//! `_gil_runtime_state` (Include/internal/pycore_gil.h). With glibc this struct has 208
//! bytes in 3.7 to 3.15; free-threaded builds have 8 more, where no thread waits at the
//! last ones, nor at any while the GIL is off. `time.sleep` is `select` without
//! descriptors up to 3.10, and `clock_nanosleep` from 3.11 (Modules/timemodule.c,
//! `pysleep`).

use sampler_common::wait::{NO_SYSCALL, WaitFacts};
use sampler_cpython::cpython::c_library::CLibrary;
use sampler_trace::model::row::State;

/// Bits of `task_struct.__state` (`include/linux/sched.h`).
const INTERRUPTIBLE: u32 = 0x1;
const UNINTERRUPTIBLE: u32 = 0x2;
const STOPPED: u32 = 0x4;
const TRACED: u32 = 0x8;
/// `TASK_FROZEN` (Linux 6.1): the freezer of the first cgroup version stopped the thread.
const FROZEN: u32 = 0x8000;

/// The size of `_gil_runtime_state`, in bytes.
const GIL_SIZE: u64 = 208;

/// Whether the thread waits for nothing but a CPU.
pub fn waits_for_cpu(wait: &WaitFacts) -> bool {
    wait.task_state == 0
}

/// Returns what the thread waits for.
pub fn state(wait: &WaitFacts, c_library: CLibrary) -> State {
    let task = wait.task_state;
    if waits_for_cpu(wait) {
        return State::Runnable;
    }
    if task & (STOPPED | TRACED | FROZEN) != 0 {
        return State::Stopped;
    }
    if task & (INTERRUPTIBLE | UNINTERRUPTIBLE) == 0 {
        return State::Waiting;
    }
    if wait.syscall == NO_SYSCALL {
        // Outside of system calls, a thread sleeps interruptibly where its cgroup is frozen
        // (`do_freezer_trap`, kernel/signal.c), as by `docker pause`.
        return if task & INTERRUPTIBLE != 0 {
            State::Stopped
        } else {
            State::PageFault
        };
    }
    of_call(wait, c_library)
}

fn of_call(wait: &WaitFacts, c_library: CLibrary) -> State {
    match i64::from(wait.syscall) {
        libc::SYS_futex => of_futex(wait, c_library),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => State::Sleeping,
        libc::SYS_select | libc::SYS_pselect6 | libc::SYS_poll | libc::SYS_ppoll
            if wait.argument == 0 =>
        {
            State::Sleeping
        }
        // Of the commands of fcntl, only those for locks wait.
        libc::SYS_flock | libc::SYS_fcntl | libc::SYS_semop | libc::SYS_semtimedop => State::Lock,
        libc::SYS_futex_waitv => State::Lock,
        call if IO.contains(&call) => State::Io,
        _ => State::Waiting,
    }
}

fn of_futex(wait: &WaitFacts, c_library: CLibrary) -> State {
    if wait.gil == 0 {
        // 3.6, or a GIL whose address could not be read: this could be the GIL or another
        // lock.
        return State::Waiting;
    }
    if wait.argument.wrapping_sub(wait.gil) < GIL_SIZE {
        return State::WaitingForGil;
    }
    match c_library {
        CLibrary::Glibc => State::Lock,
        CLibrary::Musl | CLibrary::Unknown => State::Waiting,
    }
}

/// Returns the descriptor that a thread waits to read from, whose kind tells whether the
/// thread sleeps; `None` if it runs or waits for something else.
pub fn read_descriptor(wait: &WaitFacts) -> Option<u32> {
    let is_read = [libc::SYS_read, libc::SYS_readv].contains(&i64::from(wait.syscall));
    let waits = wait.task_state & (INTERRUPTIBLE | UNINTERRUPTIBLE) != 0;
    (is_read && waits).then_some(wait.argument as u32)
}

/// System calls that wait for input or output: of descriptors, or of a file system, which
/// may be on a disk or on the network.
const IO: [i64; 94] = [
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_io_uring_enter,
    libc::SYS_io_getevents,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_copy_file_range,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_creat,
    libc::SYS_open_by_handle_at,
    libc::SYS_close,
    libc::SYS_stat,
    libc::SYS_fstat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getdents,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_chdir,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_msync,
];

#[cfg(test)]
mod tests {
    use super::*;

    const GIL: u64 = 0x7f00_0000_1000;

    fn told(task_state: u32, syscall: i64, argument: u64) -> State {
        let wait = WaitFacts {
            task_state,
            syscall: syscall as i32,
            argument,
            gil: GIL,
            ..WaitFacts::RUNNING
        };
        state(&wait, CLibrary::Glibc)
    }

    #[test]
    fn the_kernels_state_comes_first() {
        assert_eq!(told(0, libc::SYS_read, 0), State::Runnable);
        assert_eq!(told(STOPPED | 0x100, libc::SYS_read, 0), State::Stopped);
        assert_eq!(told(TRACED, -1, 0), State::Stopped);
        assert_eq!(told(UNINTERRUPTIBLE, -1, 0), State::PageFault);
        // A killable sleep.
        assert_eq!(told(UNINTERRUPTIBLE | 0x100, -1, 0), State::PageFault);
        assert_eq!(told(UNINTERRUPTIBLE, libc::SYS_fsync, 3), State::Io);
        assert_eq!(told(0x80, libc::SYS_read, 0), State::Waiting);
    }

    #[test]
    fn a_thread_of_a_frozen_cgroup_is_stopped() {
        const FREEZABLE: u32 = 0x2000;
        assert_eq!(told(FROZEN, libc::SYS_read, 0), State::Stopped);
        assert_eq!(told(FROZEN, -1, 0), State::Stopped);
        assert_eq!(told(INTERRUPTIBLE | FREEZABLE, -1, 0), State::Stopped);
        assert_eq!(told(INTERRUPTIBLE, -1, 0), State::Stopped);
    }

    #[test]
    fn a_futex_is_the_gil_where_it_lies_in_it() {
        let at = |address| told(INTERRUPTIBLE, libc::SYS_futex, address);
        assert_eq!(at(GIL), State::WaitingForGil);
        assert_eq!(at(GIL + GIL_SIZE - 1), State::WaitingForGil);
        assert_eq!(at(GIL + GIL_SIZE), State::Lock);
        assert_eq!(at(GIL - 1), State::Lock);
        let unknown = WaitFacts {
            task_state: INTERRUPTIBLE,
            syscall: libc::SYS_futex as i32,
            argument: GIL,
            ..WaitFacts::RUNNING
        };
        assert_eq!(state(&unknown, CLibrary::Glibc), State::Waiting);
        let musl = |argument| {
            let wait = WaitFacts {
                task_state: INTERRUPTIBLE,
                syscall: libc::SYS_futex as i32,
                argument,
                gil: GIL,
                ..WaitFacts::RUNNING
            };
            state(&wait, CLibrary::Musl)
        };
        assert_eq!(musl(GIL), State::WaitingForGil);
        assert_eq!(musl(GIL + GIL_SIZE), State::Waiting);
    }

    #[test]
    fn locks_of_files_and_of_semaphores_are_locks() {
        for call in [
            libc::SYS_flock,
            libc::SYS_fcntl,
            libc::SYS_semop,
            libc::SYS_semtimedop,
            libc::SYS_futex_waitv,
        ] {
            assert_eq!(told(INTERRUPTIBLE, call, 3), State::Lock, "{call}");
        }
    }

    #[test]
    fn what_a_file_system_does_is_io() {
        for call in [
            libc::SYS_mkdir,
            libc::SYS_unlinkat,
            libc::SYS_rename,
            libc::SYS_access,
            libc::SYS_readlink,
            libc::SYS_fallocate,
            libc::SYS_syncfs,
            libc::SYS_tee,
            libc::SYS_vmsplice,
        ] {
            assert_eq!(told(UNINTERRUPTIBLE, call, 3), State::Io, "{call}");
        }
    }

    #[test]
    fn a_descriptor_is_asked_for_where_a_thread_waits_to_read() {
        let wait = |task_state, call: i64| WaitFacts {
            task_state,
            syscall: call as i32,
            argument: 1 << 32 | 7,
            ..WaitFacts::RUNNING
        };
        let found = read_descriptor(&wait(INTERRUPTIBLE, libc::SYS_read));
        assert_eq!(found, Some(7));
        assert_eq!(read_descriptor(&wait(0, libc::SYS_read)), None);
        assert_eq!(read_descriptor(&wait(INTERRUPTIBLE, libc::SYS_futex)), None);
    }

    #[test]
    fn a_select_without_descriptors_is_a_sleep() {
        assert_eq!(told(INTERRUPTIBLE, libc::SYS_select, 0), State::Sleeping);
        assert_eq!(told(INTERRUPTIBLE, libc::SYS_select, 4), State::Io);
        assert_eq!(
            told(INTERRUPTIBLE, libc::SYS_clock_nanosleep, 1),
            State::Sleeping
        );
        assert_eq!(told(INTERRUPTIBLE, libc::SYS_poll, 0), State::Sleeping);
        assert_eq!(told(INTERRUPTIBLE, libc::SYS_ppoll, 2), State::Io);
        assert_eq!(told(INTERRUPTIBLE, libc::SYS_wait4, 1), State::Waiting);
        assert_eq!(told(INTERRUPTIBLE, 100_000, 1), State::Waiting);
    }
}
