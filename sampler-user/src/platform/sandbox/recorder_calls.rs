// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists the system calls that a recording makes, and which of them are allowed only with
//! certain arguments.
//!
//! The lists go by purpose, so that another C library, or a newer one, finds the variant
//! that it uses: `statx` beside `newfstatat` and `stat`.

use libc::c_long;
use seccompiler::BackendError;

use crate::platform::sandbox::common_calls::{self, FATAL};
use crate::platform::sandbox::rules::{Arguments, Rules, everywhere};

/// `cachestat`, which the `libc` crate has no name for.
const CACHESTAT: c_long = 451;

/// Files: those of targets, to read, and those of the recording, to write.
const FILES: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fadvise64,
    CACHESTAT,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    // Source files are opened as the target's user.
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

/// Older variants of these calls, which some C libraries still use.
#[cfg(target_arch = "x86_64")]
const OF_OLD: &[c_long] = &[
    libc::SYS_time,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_eventfd,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getdents,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_getrlimit,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_OLD: &[c_long] = &[];

/// Other processes: reading their memory, and nothing else.
const TARGETS: &[c_long] = &[libc::SYS_process_vm_readv];

/// Commands of `bpf(2)` (`include/uapi/linux/bpf.h`): looking up, writing and deleting
/// map entries and iterating over them; links and scans of the iterator that is already
/// loaded. No map and no program can be created.
const BPF_COMMANDS: &[u64] = &[1, 2, 3, 4, 28, 33];

/// Requests of `ioctl`: those of the perf events that make the ticks
/// (`PERF_EVENT_IOC_ENABLE`, `DISABLE`, `REFRESH`, `RESET`, `PERIOD`, `SET_BPF`), whether
/// a file is a terminal and how wide (`TCGETS`, `TIOCGWINSZ`), and flags of descriptors
/// (`FIOCLEX`, `FIONBIO`).
const IOCTLS: &[u64] = &[
    0x2400,
    0x2401,
    0x2402,
    0x2403,
    0x4008_2404,
    0x4004_2408,
    0x5401,
    0x5413,
    0x5451,
    0x5421,
];

/// The pid -1, which to `perf_event_open(2)` means a whole CPU rather than one process.
const EVERYONE: u64 = u32::MAX as u64;

/// What is asked of the arguments of some calls.
const ARGUMENTS: &[Arguments<'_>] = &[
    (libc::SYS_bpf, 0, BPF_COMMANDS),
    (libc::SYS_ioctl, 1, IOCTLS),
    // Only how the calling thread is scheduled; its priority stays as it is.
    (libc::SYS_sched_getattr, 0, &[0]),
    (libc::SYS_sched_setattr, 0, &[0]),
    // Only events of a whole CPU, which need a capability, and none of a process.
    (libc::SYS_perf_event_open, 1, &[EVERYONE]),
];

/// Returns the rules for calls that kill the program.
pub(super) fn fatal() -> Rules {
    everywhere(FATAL)
}

/// Returns the rules for calls that are allowed.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    common_calls::allowed_with(&[FILES, OF_OLD, TARGETS], ARGUMENTS)
}
