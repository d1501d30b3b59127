// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts the system calls that the filters block, and makes each of them fail with
//! `EPERM`.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// System call numbers go up to about 470 today.
const NUMBERS: usize = 1024;

/// Counts by number; the last place counts all numbers beyond.
static BLOCKED: [AtomicU32; NUMBERS] = [const { AtomicU32::new(0) }; NUMBERS];

/// `si_code` of a `SIGSYS` that a filter sent (`include/uapi/asm-generic/siginfo.h`).
const SYS_SECCOMP: libc::c_int = 1;

/// Returns the system calls that were blocked so far, by number, and how often each was.
pub fn blocked() -> Vec<(usize, u32)> {
    let counts = BLOCKED.iter().map(|count| count.load(Ordering::Relaxed));
    counts.enumerate().filter(|(_, count)| *count > 0).collect()
}

/// Installs the `SIGSYS` handler: from now on a blocked call is counted and fails with
/// `EPERM` instead of ending the program.
pub(super) fn catch() -> Result<(), Errno> {
    let action = SigAction::new(
        SigHandler::SigAction(on_blocked),
        SaFlags::SA_ONSTACK | SaFlags::SA_NODEFER | SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler only increments an atomic and writes one register of the
    // context that it is given, both of which are allowed at any moment and in any
    // thread.
    unsafe { sigaction(Signal::SIGSYS, &action) }?;
    Ok(())
}

extern "C" fn on_blocked(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a handler with SA_SIGINFO pointers to both, which are
    // valid and used by nobody else until it returns.
    let (info, context) = unsafe { (&*info, &mut *context.cast::<libc::ucontext_t>()) };
    // Anyone may send the signal; then no call has been blocked.
    if info.si_code != SYS_SECCOMP {
        return;
    }
    // The kernel has restored what this register held before the call: the call's number.
    let result = result_register(context);
    let place = usize::try_from(*result).map_or(NUMBERS - 1, |it| it.min(NUMBERS - 1));
    if let Some(count) = BLOCKED.get(place) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    *result = -i64::from(libc::EPERM);
}

#[cfg(target_arch = "x86_64")]
fn result_register(context: &mut libc::ucontext_t) -> &mut i64 {
    &mut context.uc_mcontext.gregs[libc::REG_RAX as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_by_someone_else_is_none_of_ours() {
        catch().expect("signals can be caught");
        nix::sys::signal::raise(Signal::SIGSYS).expect("to ourselves");
        assert_eq!(blocked(), []);
    }
}
