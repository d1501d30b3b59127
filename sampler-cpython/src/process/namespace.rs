// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells which pid namespace pyebpf runs in, and checks that `/proc` shows the same one:
//! under a foreign `/proc`, a pid names another process.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::process::identity::namespace_pids;

/// The inode of the initial pid namespace: `PROC_PID_INIT_INO`
/// (`include/uapi/linux/nsfs.h`).
const INITIAL: u64 = 0xeffffffc;

/// How to repair a missing or foreign `/proc`; ends the error messages.
const MOUNT_PROC: &str = "mount the right one (mount -t proc proc /proc; unshare has \
    --mount-proc), or start the container with --pid=host";

/// The pid namespace that pyebpf runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidNamespace {
    /// The host's: it shows every process, under the kernel's own numbers.
    Initial,
    /// A container's: it shows only the container's own processes.
    Own {
        /// The inode that identifies the namespace.
        inode: u32,
    },
}

/// Why pids cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// There is no `/proc`, or it does not show pyebpf itself.
    #[error("/proc does not show pyebpf itself ({source}); {MOUNT_PROC}")]
    Absent {
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The pids in it belong to another namespace: reading by pid would read another
    /// process.
    #[error("/proc shows the processes of another pid namespace than pyebpf's own; {MOUNT_PROC}")]
    Foreign,
}

impl PidNamespace {
    /// Reads the namespace from `/proc/self`.
    ///
    /// # Errors
    /// [`NamespaceError`] when `/proc` does not belong to our namespace.
    pub fn ours() -> Result<Self, NamespaceError> {
        Self::below(Path::new("/proc"))
    }

    /// Reads the namespace below `proc`, the place where `/proc` is mounted.
    fn below(proc: &Path) -> Result<Self, NamespaceError> {
        let absent = |source| NamespaceError::Absent { source };
        let status = fs::read(proc.join("self/status")).map_err(absent)?;
        // The line lists our pid in the namespace of `/proc` and in each one below it,
        // down to our own (Linux 4.1).
        if namespace_pids(&status).len() > 1 {
            return Err(NamespaceError::Foreign);
        }
        let namespace = fs::metadata(proc.join("self/ns/pid")).map_err(absent)?;
        Ok(match namespace.ino() {
            INITIAL => Self::Initial,
            inode => Self::Own {
                // The kernel keeps this number in 32 bits (`ns_common.inum`).
                inode: inode as u32,
            },
        })
    }

    /// Returns the inode of the namespace; `None` for the host's.
    #[must_use]
    pub fn own_inode(self) -> Option<u32> {
        match self {
            Self::Initial => None,
            Self::Own { inode } => Some(inode),
        }
    }

    /// Returns a note on which processes are visible, for users; `None` on the host.
    #[must_use]
    pub fn note(self) -> Option<&'static str> {
        self.own_inode().map(|_| {
            "this is a pid namespace of its own, as of a container: only its own processes \
             are seen, under their numbers here (--pid=host shows all of the host)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_the_tests_run() {
        let ours = PidNamespace::ours().expect("/proc is ours");
        assert_eq!(ours.note().is_some(), ours != PidNamespace::Initial);
        assert_eq!(ours.own_inode().is_some(), ours != PidNamespace::Initial);
    }

    #[test]
    fn a_proc_of_others_is_refused() {
        let root = std::env::temp_dir().join(format!("pyebpf-proc-{}", std::process::id()));
        let own = root.join("self");
        fs::create_dir_all(own.join("ns")).expect("a directory for temporary files");
        let ours = || PidNamespace::below(&root);
        assert!(matches!(ours(), Err(NamespaceError::Absent { .. })));
        fs::write(own.join("status"), "NSpid:\t812\t7\n").expect("it is ours");
        assert!(matches!(ours(), Err(NamespaceError::Foreign)));
        fs::write(own.join("status"), "NSpid:\t7\n").expect("it is ours");
        assert!(matches!(ours(), Err(NamespaceError::Absent { .. })));
        fs::write(own.join("ns/pid"), "").expect("it is ours");
        assert!(matches!(ours(), Ok(PidNamespace::Own { .. })));
        fs::remove_dir_all(root).expect("it is ours");
    }
}
