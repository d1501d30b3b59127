// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists the system calls that every process of pyebpf may make while it records or serves,
//! and those that none makes.

use libc::c_long;
use seccompiler::BackendError;

use crate::platform::sandbox::rules::{Arguments, Rules, any_of, everywhere, masked};

/// Calls that the `libc` crate has no names for. From 424 on, numbers are the same on all
/// architectures.
mod newer {
    use libc::c_long;

    pub(super) const FUTEX_WAITV: c_long = 449;
    pub(super) const FUTEX_WAKE: c_long = 454;
    pub(super) const FUTEX_WAIT: c_long = 455;
    pub(super) const FUTEX_REQUEUE: c_long = 456;
}

/// Memory, threads, time, waiting: what any program does.
const GENERAL: &[c_long] = &[
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

/// Options of `prctl`: `PR_SET_NAME` for new threads, `PR_GET_NAME`, `PR_SET_TIMERSLACK`,
/// and `PR_SET_VMA`, with which C libraries name their memory.
const PRCTLS: &[u64] = &[15, 16, 29, 0x5356_4d41];

/// Returns the rules for calls that fail as on a kernel that does not have them.
pub(super) fn as_if_unknown() -> Rules {
    everywhere(&[libc::SYS_clone3])
}

/// Returns the rules for calls that are allowed: those of every process, the calls in
/// `lists`, and those with certain `arguments` only.
pub(super) fn allowed_with(
    lists: &[&[c_long]],
    arguments: &[Arguments<'_>],
) -> Result<Rules, BackendError> {
    let mut rules = everywhere(GENERAL);
    for list in lists {
        rules.extend(everywhere(list));
    }
    // Another filter makes it fail.
    rules.extend(everywhere(&[libc::SYS_clone3]));
    let own = u64::from(std::process::id());
    let general: &[Arguments<'_>] = &[
        (libc::SYS_prctl, 0, PRCTLS),
        // To abort, or to wake up one of its own threads.
        (libc::SYS_tgkill, 0, &[own]),
        // Only its own resource limits.
        (libc::SYS_prlimit64, 0, &[0, own]),
        // Only without an address: to the other end of a socket pair or of a connection.
        (libc::SYS_sendto, 4, &[0]),
    ];
    for &(number, argument, values) in general.iter().chain(arguments) {
        rules.insert(number, any_of(number, argument, values)?);
    }
    no_process_and_no_code(&mut rules)?;
    Ok(rules)
}

/// Allows threads but no processes, and memory that is not executable.
fn no_process_and_no_code(rules: &mut Rules) -> Result<(), BackendError> {
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    rules.insert(libc::SYS_clone, vec![masked(0, thread, thread)?]);
    let executable = libc::PROT_EXEC.unsigned_abs().into();
    for number in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(number, vec![masked(2, executable, 0)?]);
    }
    Ok(())
}
