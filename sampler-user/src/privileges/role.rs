//! What a thread is for, and so which capabilities it keeps. It refuses to add
//! any, and to know what the thread does with them.
//!
//! Capabilities belong to threads. So what follows names that a target has
//! chosen is done by threads that could do no harm with them.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Looks at processes: `/proc`, their memory, the programs they have mapped.
    /// Reading cannot be turned into writing there.
    Looking,
    /// Opens files that a process names, as the user that the process runs as.
    /// None of its capabilities overrides a file's permissions.
    Sources,
    /// Has the kernel side pass over waiting threads.
    Passes,
    /// Writes what comes of a recording, as the owner of the files.
    Writing,
    /// Waits for something, and does no more.
    Waiting,
}

impl Role {
    /// What the role needs, from [capabilities(7)].
    ///
    /// [capabilities(7)]: https://man7.org/linux/man-pages/man7/capabilities.7.html
    pub fn needs(self) -> CapabilitySet {
        match self {
            // Memory, maps, root and program of others; files of others that are
            // mode 0400, and directories only their owner may enter; map_files.
            Self::Looking => {
                CapabilitySet::SYS_PTRACE
                    | CapabilitySet::DAC_READ_SEARCH
                    | CapabilitySet::CHECKPOINT_RESTORE
            }
            Self::Sources => CapabilitySet::SETUID | CapabilitySet::SETGID,
            // Kernels before 6.0 ask for it at every call of bpf(2), unless
            // kernel.unprivileged_bpf_disabled is 0.
            Self::Passes => CapabilitySet::BPF,
            // Only a root who writes into someone else's directory still has it.
            Self::Writing => CapabilitySet::DAC_OVERRIDE,
            Self::Waiting => CapabilitySet::empty(),
        }
    }

    /// From now on this thread has what the role needs, as far as it had it, and
    /// nothing else. Another role cannot be taken up after that.
    ///
    /// # Errors
    /// When something outside, such as a seccomp filter, forbids even that.
    pub fn take_up(self) -> io::Result<()> {
        keep_only(self.needs())
    }
}

fn keep_only(wanted: CapabilitySet) -> io::Result<()> {
    let kept = capabilities(None)?.permitted & wanted;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

/// Gives up all capabilities of this thread, unless it runs as root, whose
/// rights are asked for by name: a program that was given capabilities for
/// sampling must not open files with them that its caller could not.
///
/// # Errors
/// As [`Role::take_up`].
pub fn give_up_what_was_lent() -> io::Result<()> {
    if nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    keep_only(CapabilitySet::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_all_that_is_left() {
        std::thread::spawn(|| {
            let before = capabilities(None).expect("ours");
            Role::Sources.take_up().expect("less is always allowed");
            let now = capabilities(None).expect("ours");
            assert_eq!(now.effective, now.permitted);
            assert_eq!(now.permitted, before.permitted & Role::Sources.needs());
            Role::Looking.take_up().expect("less is always allowed");
            let now = capabilities(None).expect("ours");
            assert!(now.permitted.is_empty() && now.effective.is_empty());
        })
        .join()
        .expect("it does not panic");
    }
}
