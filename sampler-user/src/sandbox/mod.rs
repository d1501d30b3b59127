//! Closes the program in while it records: of the kernel's system calls it can
//! use those that it needs. It refuses to know what it is needed for.
//!
//! There are three kinds of system calls, and filters for them:
//!
//! * What a recording uses is allowed (`system_calls.rs`), some of it with certain
//!   arguments only: no new process, no memory that can be executed, no new
//!   program for the kernel.
//! * What would only be called by someone who has taken the program over, such
//!   as `execve`, `ptrace` or `connect`, ends it at once. Neither our code nor
//!   the C library calls these here, and to answer with an error would let the
//!   taker try on. The recording is readable up to its last segment.
//! * Anything else fails with `EPERM` and is counted (`refusals.rs`). A newer C
//!   library may use calls that we have not heard of; nearly all of them have a
//!   way round, and a long recording must not end for it. The summary names
//!   them, and every live test fails on them. (To start a process the C library
//!   blocks all signals, and with them the one that counts: that ends the program
//!   as well.)

mod refusals;
mod system_calls;

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch,
    apply_filter_all_threads,
};

pub use refusals::refused;

/// Why the filters are not there.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Not for this processor, or a filter of ours is wrong.
    #[error("the filters cannot be made: {0}")]
    Filter(#[from] BackendError),
    /// The kernel, or something around us, does not take them.
    #[error("{0}")]
    Install(#[from] seccompiler::Error),
    /// Calls that are refused could not be counted.
    #[error("refused calls cannot be caught: {0}")]
    Signal(#[from] nix::errno::Errno),
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// From now on all threads, and those that they start, are closed in. There is no
/// way back.
///
/// # Errors
/// [`SandboxError`]; what was installed until then stays.
pub fn close() -> Result<(), SandboxError> {
    let fatal = filter(
        system_calls::fatal(),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
    )?;
    // What is in memory cannot be looked at by a filter, so nobody could tell what
    // it is to start; the C library then takes `clone`, where it can be told.
    let without = filter(
        system_calls::as_if_unknown(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
    )?;
    let allowed = filter(
        system_calls::allowed()?,
        SeccompAction::Trap,
        SeccompAction::Allow,
    )?;
    refusals::catch()?;
    // The strictest answer of all filters counts. The last one would not allow
    // another to be added.
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

/// Whether the kernel takes our filters, found out in a thread that ends with
/// them.
///
/// # Errors
/// [`SandboxError`].
pub fn try_out() -> Result<(), SandboxError> {
    let trial = || -> Result<(), SandboxError> {
        let allowed = filter(
            system_calls::allowed()?,
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
            (system_calls::fatal(), SeccompAction::KillProcess),
            (system_calls::as_if_unknown(), SeccompAction::Errno(38)),
            (
                system_calls::allowed().expect("good rules"),
                SeccompAction::Trap,
            ),
        ] {
            let program = filter(rules, action, allow.clone()).expect("a good filter");
            assert!(!program.is_empty());
        }
    }

    #[test]
    fn nothing_is_both_allowed_and_fatal() {
        let allowed = system_calls::allowed().expect("good rules");
        for number in system_calls::fatal().keys() {
            // A few are allowed with some arguments; none is with all.
            assert!(
                allowed.get(number).is_none_or(|rules| !rules.is_empty()),
                "{number}"
            );
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

    /// Closes this process in, so it is a process of its own.
    #[test]
    #[ignore = "run by refused_calls_are_counted_and_fatal_ones_end_it"]
    fn in_the_sandbox() {
        use std::io::Write as _;
        let say = |text: &str| {
            let written = std::io::stderr().write_all(text.as_bytes());
            written.expect("what is open stays open");
        };
        close().expect("tests run where filters are allowed");
        let thread = std::thread::spawn(|| std::fs::read("/proc/self/status"));
        assert!(thread.join().expect("it does not panic").is_ok());
        assert_eq!(refused(), []);
        let socket = std::net::TcpListener::bind("127.0.0.1:0");
        let error = socket.expect_err("sockets are not needed");
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        let numbers: Vec<_> = refused().into_iter().map(|(number, _)| number).collect();
        assert!(
            numbers.contains(&(libc::SYS_socket as usize)),
            "{numbers:?}"
        );
        say("counted\n");
        let error = nix::unistd::execv(c"/bin/true", &[c"true"]);
        say(&format!("went on: {error:?}\n"));
    }

    #[test]
    fn refused_calls_are_counted_and_fatal_ones_end_it() {
        use std::os::unix::process::ExitStatusExt as _;
        let own = std::env::current_exe().expect("we have one");
        let output = std::process::Command::new(own)
            .args(["--ignored", "--exact", "sandbox::tests::in_the_sandbox"])
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
