// SPDX-License-Identifier: MIT OR Apache-2.0

//! Restricts, with Landlock, which files the process that owns the network can reach. The
//! filter of system calls cannot: it sees a pointer to a path, not the path.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

/// The newest version of Landlock whose restrictions are known here (Linux 6.12). An older
/// kernel applies those that it knows; the first to know any is 5.13.
const NEWEST: ABI = ABI::V6;

/// Why files cannot be restricted.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// Linux before 5.13, or Landlock is not among the security modules of this kernel.
    #[error("this kernel has no Landlock")]
    Missing,
    /// The kernel does not allow it.
    #[error(transparent)]
    Refused(#[from] RulesetError),
}

/// Lets this thread, and those that it starts, open no other files than those below
/// `directory`, and these to read them alone. What is open stays as it is. They can neither
/// bind nor connect a TCP socket, nor send a signal to another process, nor connect to an
/// abstract Unix socket that it has bound. This cannot be undone.
///
/// # Errors
/// [`LandlockError`]. Then nothing is restricted.
pub fn restrict_to_reading(directory: BorrowedFd<'_>) -> Result<(), LandlockError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rule(PathBeneath::new(directory, reading))?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(LandlockError::Missing),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;
    use std::os::fd::AsFd as _;

    use super::*;

    /// Restricts a thread, which then ends.
    #[test]
    fn only_what_is_below_the_directory_can_be_opened_and_only_to_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let ours = directory.path().join("ours");
        fs::write(&ours, b"text").expect("a file");
        let other = tempfile::NamedTempFile::new().expect("a file");
        let restricted = || {
            let state = File::open(directory.path()).expect("it is there");
            restrict_to_reading(state.as_fd()).expect("tests run where Landlock is");
            assert_eq!(fs::read(&ours).expect("it may be read"), b"text");
            assert_eq!(fs::read_dir(directory.path()).expect("a list").count(), 1);
            let refused = |result: io::Result<()>| {
                let error = result.expect_err("it is refused");
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            };
            refused(File::open(other.path()).map(drop));
            refused(File::open("/etc/passwd").map(drop));
            refused(File::options().write(true).open(&ours).map(drop));
            refused(fs::remove_file(&ours));
            refused(File::create_new(directory.path().join("new")).map(drop));
            // A link leads nowhere else either.
            refused(File::open(directory.path().join("../..")).map(drop));
        };
        std::thread::scope(|scope| {
            let thread = scope.spawn(restricted);
            thread.join().expect("it does not panic");
        });
        assert!(File::open(other.path()).is_ok(), "we are not restricted");
    }
}
