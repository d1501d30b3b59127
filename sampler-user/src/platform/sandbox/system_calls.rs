// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists the system calls that a recording makes, and which of them are allowed only with
//! certain arguments.
//!
//! The lists go by purpose, so that another C library, or a newer one, finds the variant
//! that it uses: `statx` beside `newfstatat` and `stat`.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// What is asked of the arguments of each call, by its number.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that the `libc` crate has no names for. From 424 on, numbers are the same on all
/// architectures.
mod newer {
    use libc::c_long;

    pub(super) const FUTEX_WAITV: c_long = 449;
    pub(super) const CACHESTAT: c_long = 451;
    pub(super) const FUTEX_WAKE: c_long = 454;
    pub(super) const FUTEX_WAIT: c_long = 455;
    pub(super) const FUTEX_REQUEUE: c_long = 456;
}

/// Memory, threads, time, waiting: what any program does.
pub(super) const GENERAL: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    newer::FUTEX_WAITV,
    newer::FUTEX_WAKE,
    newer::FUTEX_WAIT,
    newer::FUTEX_REQUEUE,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getpriority,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // The tokio runtime receives its signals through a socket pair.
    libc::SYS_recvfrom,
    // For the exit status of the command that pyebpf started.
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Dropping capabilities is always possible, gaining them never.
    libc::SYS_capget,
    libc::SYS_capset,
];

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
    newer::CACHESTAT,
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

/// Calls that kill the program: pyebpf makes none of them while it records.
pub(super) const FATAL: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

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

/// Options of `prctl`: `PR_SET_NAME` for new threads, `PR_GET_NAME`, `PR_SET_TIMERSLACK`,
/// and `PR_SET_VMA`, with which C libraries name their memory.
pub(super) const PRCTLS: &[u64] = &[15, 16, 29, 0x5356_4d41];

/// The pid -1, which to `perf_event_open(2)` means a whole CPU rather than one process.
const EVERYONE: u64 = u32::MAX as u64;

/// Returns the rules for calls that kill the program.
pub(super) fn fatal() -> Rules {
    everywhere(FATAL)
}

/// Returns the rules for calls that fail as on a kernel that does not have them.
pub(super) fn as_if_unknown() -> Rules {
    everywhere(&[libc::SYS_clone3])
}

/// Returns the rules for calls that are allowed.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    let mut rules = everywhere(GENERAL);
    for list in [FILES, OF_OLD, TARGETS, &[libc::SYS_clone3]] {
        rules.extend(everywhere(list));
    }
    let own = u64::from(std::process::id());
    for (number, argument, values) in [
        (libc::SYS_bpf, 0, BPF_COMMANDS),
        (libc::SYS_ioctl, 1, IOCTLS),
        (libc::SYS_prctl, 0, PRCTLS),
        // To abort, or to wake up one of its own threads.
        (libc::SYS_tgkill, 0, &[own]),
        // Only its own resource limits.
        (libc::SYS_prlimit64, 0, &[0, own]),
        // Only how the calling thread is scheduled; its priority stays as it is.
        (libc::SYS_sched_getattr, 0, &[0]),
        (libc::SYS_sched_setattr, 0, &[0]),
        // Only events of a whole CPU, which need a capability, and none of a process.
        (libc::SYS_perf_event_open, 1, &[EVERYONE]),
        // Only without an address: to the other end of a socket pair.
        (libc::SYS_sendto, 4, &[0]),
    ] {
        rules.insert(number, any_of(number, argument, values)?);
    }
    no_process_and_no_code(&mut rules)?;
    Ok(rules)
}

/// Allows threads but no processes, and memory that is not executable.
pub(super) fn no_process_and_no_code(rules: &mut Rules) -> Result<(), BackendError> {
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    rules.insert(libc::SYS_clone, vec![masked(0, thread, thread)?]);
    let executable = libc::PROT_EXEC.unsigned_abs().into();
    for number in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(number, vec![masked(2, executable, 0)?]);
    }
    Ok(())
}

/// Allows a call with any of these values of an argument.
pub(super) fn any_of(
    number: c_long,
    argument: u8,
    values: &[u64],
) -> Result<Vec<SeccompRule>, BackendError> {
    let one = |value: &u64| {
        SeccompRule::new(vec![SeccompCondition::new(
            argument,
            width(number),
            SeccompCmpOp::Eq,
            *value,
        )?])
    };
    values.iter().map(one).collect()
}

/// Returns the width of the argument that is compared: addresses have 64 bits, numbers
/// 32.
fn width(number: c_long) -> SeccompCmpArgLen {
    if number == libc::SYS_sendto {
        SeccompCmpArgLen::Qword
    } else {
        SeccompCmpArgLen::Dword
    }
}

pub(super) fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, BackendError> {
    let operator = SeccompCmpOp::MaskedEq(mask);
    SeccompRule::new(vec![SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Qword,
        operator,
        value,
    )?])
}

pub(super) fn everywhere(numbers: &[c_long]) -> Rules {
    BTreeMap::from_iter(numbers.iter().map(|number| (*number, Vec::new())))
}
