// SPDX-License-Identifier: MIT OR Apache-2.0

//! Restricts pyebpf, with seccomp filters, to the system calls that a recording needs, and
//! the server's front to the files that it serves (`landlock.rs`).
//!
//! System calls fall into three groups:
//!
//! * Those that a recording uses are allowed (`recorder_calls.rs`), some of them only with
//!   certain arguments: no new process, no executable memory, no new BPF program.
//! * Those that only somebody who has taken over the program would make, such as
//!   `execve`, `ptrace` or `connect`, kill it at once. Neither pyebpf nor the C library
//!   makes them here, and an error would let the attacker try something else. The
//!   recording is readable up to its last segment.
//! * All others fail with `EPERM` and are counted (`blocked_syscalls.rs`). A newer C library may
//!   use calls that are not known here; nearly all of them have a fallback, and a long
//!   recording must not end because of one. They are named after the summary, and every
//!   live test fails on them. (Starting a process kills the program as well: the C
//!   library blocks all signals first, including the `SIGSYS` whose handler counts.)

pub mod blocked_syscalls;
mod common_calls;
mod front_calls;
pub mod landlock;
mod recorder_calls;
mod rules;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads,
};

use crate::platform::sandbox::rules::Rules;

/// Why the filters could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The processor is not supported, or a filter is malformed.
    #[error("cannot create the seccomp filters: {0}")]
    Filter(#[from] BackendError),
    /// The kernel, or something around pyebpf such as a container, does not accept them.
    #[error("{0}")]
    Install(#[from] seccompiler::Error),
    /// The handler that counts blocked calls could not be installed.
    #[error("cannot catch blocked system calls: {0}")]
    Signal(#[from] nix::errno::Errno),
}

/// What the filters are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxKind {
    /// A recording.
    Recorder,
    /// The process of a server that owns the network. It accepts connections, and neither
    /// inspects processes nor writes files.
    Front,
}

/// Installs the filters in all threads; threads started later inherit them. This cannot
/// be undone.
///
/// # Errors
/// [`SandboxError`]. Filters that were installed before it stay.
pub fn install(kind: SandboxKind) -> Result<(), SandboxError> {
    let (fatal, allowed) = match kind {
        SandboxKind::Recorder => (recorder_calls::fatal(), recorder_calls::allowed()?),
        SandboxKind::Front => (front_calls::fatal(), front_calls::allowed()?),
    };
    let fatal = filter(fatal, SeccompAction::Allow, SeccompAction::KillProcess)?;
    // `clone3` has its flags in memory, which a filter cannot read, so it could not tell
    // a thread from a process. After `ENOSYS` the C library falls back to `clone`, whose
    // flags are an argument.
    let without = filter(
        common_calls::as_if_unknown(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
    )?;
    let allowed = filter(allowed, SeccompAction::Trap, SeccompAction::Allow)?;
    blocked_syscalls::catch()?;
    // The strictest answer of all filters counts. `allowed` is last, since it does not
    // allow another filter to be installed.
    for program in [fatal, without, allowed] {
        apply_filter_all_threads(&program)?;
    }
    Ok(())
}

fn filter(
    rules: Rules,
    otherwise: SeccompAction,
    action: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, action, architecture)?.try_into()
}

/// Checks that the kernel accepts the filters, by installing one in a thread that then
/// ends.
///
/// # Errors
/// [`SandboxError`].
pub fn try_out() -> Result<(), SandboxError> {
    let trial = || -> Result<(), SandboxError> {
        let allowed = filter(
            recorder_calls::allowed()?,
            SeccompAction::Log,
            SeccompAction::Allow,
        )?;
        Ok(seccompiler::apply_filter(&allowed)?)
    };
    std::thread::spawn(trial).join().unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_can_be_made() {
        let allow = SeccompAction::Allow;
        for (rules, action) in [
            (recorder_calls::fatal(), SeccompAction::KillProcess),
            (front_calls::fatal(), SeccompAction::KillProcess),
            (
                front_calls::allowed().expect("good rules"),
                SeccompAction::Trap,
            ),
            (common_calls::as_if_unknown(), SeccompAction::Errno(38)),
            (
                recorder_calls::allowed().expect("good rules"),
                SeccompAction::Trap,
            ),
        ] {
            let program = filter(rules, action, allow.clone()).expect("a good filter");
            assert!(!program.is_empty());
        }
    }

    #[test]
    fn nothing_is_both_allowed_and_fatal() {
        for (allowed, fatal) in [
            (recorder_calls::allowed(), recorder_calls::fatal()),
            (front_calls::allowed(), front_calls::fatal()),
        ] {
            let allowed = allowed.expect("good rules");
            for number in fatal.keys() {
                // A call may be allowed with certain arguments, but not with all.
                assert!(
                    allowed.get(number).is_none_or(|rules| !rules.is_empty()),
                    "{number}"
                );
            }
        }
    }

    #[test]
    fn they_can_be_tried_out() {
        try_out().expect("tests run where filters are allowed");
        assert!(
            std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
            "we are not"
        );
    }

    /// Restricts the whole process, so it runs in a process of its own.
    #[test]
    #[ignore = "run by blocked_calls_are_counted_and_fatal_ones_end_it"]
    fn in_the_sandbox() {
        use std::io::Write as _;
        let say = |text: &str| {
            let written = std::io::stderr().write_all(text.as_bytes());
            written.expect("what is open stays open");
        };
        install(SandboxKind::Recorder).expect("tests run where filters are allowed");
        let thread = std::thread::spawn(|| std::fs::read("/proc/self/status"));
        assert!(thread.join().expect("it does not panic").is_ok());
        assert_eq!(blocked_syscalls::blocked(), []);
        let socket = std::net::TcpListener::bind("127.0.0.1:0");
        let error = socket.expect_err("sockets are not needed");
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        let numbers: Vec<_> = blocked_syscalls::blocked()
            .into_iter()
            .map(|(number, _)| number)
            .collect();
        assert!(
            numbers.contains(&(libc::SYS_socket as usize)),
            "{numbers:?}"
        );
        say("counted\n");
        let error = nix::unistd::execv(c"/bin/true", &[c"true"]);
        say(&format!("went on: {error:?}\n"));
    }

    #[test]
    fn blocked_calls_are_counted_and_fatal_ones_end_it() {
        use std::os::unix::process::ExitStatusExt as _;
        let own = std::env::current_exe().expect("we have one");
        let output = std::process::Command::new(own)
            .args([
                "--ignored",
                "--exact",
                concat!(module_path!(), "::in_the_sandbox").trim_start_matches("sampler_user::"),
            ])
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("counted") && !said.contains("went on"),
            "{said}"
        );
        assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{said}");
    }
}
