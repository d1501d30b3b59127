// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a thread is for, which decides the capabilities that it keeps.
//!
//! Capabilities belong to threads. Names that a target has chosen are therefore followed
//! only by threads that could do no harm with theirs.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Inspects processes: `/proc`, their memory, the programs they have mapped. Nothing
    /// can turn reading into writing there.
    Inspector,
    /// Opens files that a process names, as the user that the process runs as.
    /// None of its capabilities overrides a file's permissions.
    Sources,
    /// Makes the eBPF program scan waiting threads.
    Scans,
    /// Opens the perf events that tick on CPUs that come online.
    Clocks,
    /// Writes the outputs of a recording, as the owner of the files.
    Writing,
    /// Waits for something, and does nothing else.
    Waiting,
}

impl Role {
    /// Returns the capabilities that the role needs, from [capabilities(7)].
    ///
    /// [capabilities(7)]: https://man7.org/linux/man-pages/man7/capabilities.7.html
    pub fn needs(self) -> CapabilitySet {
        match self {
            // In this order: memory, maps, root and program of other users' processes;
            // files of mode 0400, and directories that only their owner may enter;
            // map_files.
            Self::Inspector => {
                CapabilitySet::SYS_PTRACE
                    | CapabilitySet::DAC_READ_SEARCH
                    | CapabilitySet::CHECKPOINT_RESTORE
            }
            Self::Sources => CapabilitySet::SETUID | CapabilitySet::SETGID,
            // Kernels before 6.0 require it for every call of bpf(2), unless
            // kernel.unprivileged_bpf_disabled is 0.
            Self::Scans => CapabilitySet::BPF,
            Self::Clocks => CapabilitySet::PERFMON,
            // Only root that writes into another user's directory still has it.
            Self::Writing => CapabilitySet::DAC_OVERRIDE,
            Self::Waiting => CapabilitySet::empty(),
        }
    }

    /// Puts the capabilities that the role needs into effect in this thread, as far as it
    /// may have them. It keeps the others, not in effect, to hand them on to threads that it
    /// starts.
    ///
    /// # Errors
    /// As [`Role::apply`].
    pub fn make_effective(self) -> io::Result<()> {
        let permitted = capabilities(None)?.permitted;
        let sets = CapabilitySets {
            effective: permitted & self.needs(),
            permitted,
            inheritable: CapabilitySet::empty(),
        };
        Ok(set_capabilities(None, sets)?)
    }

    /// Drops all capabilities of this thread but those that the role needs. Those it
    /// lacks are not gained, and no other role can be applied later.
    ///
    /// # Errors
    /// When something outside, such as a seccomp filter, forbids even that.
    pub fn apply(self) -> io::Result<()> {
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

/// Drops all capabilities of this thread, unless it runs as root. Root's rights were
/// asked for by name, but a program that was granted capabilities for sampling must not
/// use them to open files that its caller could not.
///
/// # Errors
/// As [`Role::apply`].
pub fn drop_file_capabilities() -> io::Result<()> {
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
            Role::Sources.apply().expect("less is always allowed");
            let now = capabilities(None).expect("ours");
            assert_eq!(now.effective, now.permitted);
            assert_eq!(now.permitted, before.permitted & Role::Sources.needs());
            Role::Inspector.apply().expect("less is always allowed");
            let now = capabilities(None).expect("ours");
            assert!(now.permitted.is_empty() && now.effective.is_empty());
        })
        .join()
        .expect("it does not panic");
    }
}
