// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists the system calls of the front, the process of a server that owns the network. It
//! has its sockets before it is sandboxed, reads files, and writes only to connections.

use libc::c_long;
use seccompiler::BackendError;

use crate::platform::sandbox::common_calls::{self, FATAL};
use crate::platform::sandbox::rules::{Rules, everywhere, masked};

/// Connections: taking them, and talking over them.
const NETWORK: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    // The tokio runtime receives its signals through one; it leads nowhere else.
    libc::SYS_socketpair,
];

/// Files, to read. Writing is for connections; no file is open for it.
const FILES: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fadvise64,
];

/// Older variants of these calls, which some C libraries still use.
#[cfg(target_arch = "x86_64")]
const OF_OLD: &[c_long] = &[
    libc::SYS_time,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_stat,
    libc::SYS_lstat,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_OLD: &[c_long] = &[];

/// What inspects other processes, or runs programs in the kernel.
const OF_RECORDERS: &[c_long] = &[
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_process_vm_readv,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_setfsuid,
    libc::SYS_setgroups,
    libc::SYS_kill,
];

/// Requests of `ioctl`: `FIOCLEX`, `FIONBIO`, and whether a file is a terminal (`TCGETS`).
const IOCTLS: &[u64] = &[0x5451, 0x5421, 0x5401];

/// Flags of `open` that write or create something.
const WRITING: i32 = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;

/// Returns the rules for calls that kill the process.
pub(super) fn fatal() -> Rules {
    let is_ours = |number: &&c_long| NETWORK.contains(number);
    let mut rules = everywhere(OF_RECORDERS);
    for number in FATAL.iter().filter(|number| !is_ours(number)) {
        rules.insert(*number, Vec::new());
    }
    rules
}

/// Returns the rules for calls that are allowed.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    let ioctl = (libc::SYS_ioctl, 1, IOCTLS);
    let mut rules = common_calls::allowed_with(&[FILES, NETWORK, OF_OLD], &[ioctl])?;
    let writing = WRITING.unsigned_abs().into();
    rules.insert(libc::SYS_openat, vec![masked(2, writing, 0)?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![masked(1, writing, 0)?]);
    Ok(rules)
}
