//! Which pid namespace we live in, and whether `/proc` shows the same one. It
//! refuses to know what follows from it for others.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::identity::namespace_pids;

/// `PROC_PID_INIT_INO` (`include/uapi/linux/nsfs.h`).
const INITIAL: u64 = 0xeffffffc;

/// What to do where `/proc` is of no use.
const MOUNT_PROC: &str = "mount the right one (mount -t proc proc /proc; unshare has \
    --mount-proc), or start the container with --pid=host";

/// The pid namespace that we live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidNamespace {
    /// The host's: it sees every process, under the numbers of the kernel.
    Initial,
    /// That of a container: only its own processes are seen.
    Own {
        /// The inode that tells it from others.
        inode: u32,
    },
}

/// Numbers of processes cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// There is no `/proc`, or it does not show us.
    #[error("/proc does not show pyebpf itself ({source}); {MOUNT_PROC}")]
    Absent {
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The numbers in it are those of another namespace: what is read by such a
    /// number would be another process's.
    #[error("/proc shows the processes of another pid namespace than pyebpf's own; {MOUNT_PROC}")]
    Foreign,
}

impl PidNamespace {
    /// Looks at `/proc/self`.
    ///
    /// # Errors
    /// [`NamespaceError`] when `/proc` is not that of our namespace.
    pub fn ours() -> Result<Self, NamespaceError> {
        Self::below(Path::new("/proc"))
    }

    /// The same with `/proc` at another place.
    fn below(proc: &Path) -> Result<Self, NamespaceError> {
        let absent = |source| NamespaceError::Absent { source };
        let status = fs::read(proc.join("self/status")).map_err(absent)?;
        // From the namespace that `/proc` is of, down to our own (Linux 4.1).
        if namespace_pids(&status).len() > 1 {
            return Err(NamespaceError::Foreign);
        }
        let namespace = fs::metadata(proc.join("self/ns/pid")).map_err(absent)?;
        Ok(match namespace.ino() {
            INITIAL => Self::Initial,
            inode => Self::Own {
                // The kernel's own number of it has 32 bits (`ns_common.inum`).
                inode: inode as u32,
            },
        })
    }

    /// The inode, where it is not the host's.
    #[must_use]
    pub fn own_inode(self) -> Option<u32> {
        match self {
            Self::Initial => None,
            Self::Own { inode } => Some(inode),
        }
    }

    /// What a user has to know before looking for a process; nothing on a host.
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
