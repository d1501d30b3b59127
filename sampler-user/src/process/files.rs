//! Opens a file that a process names, as that process itself could: inside its
//! own root, with its own rights. It refuses to wait, and to read anything but a
//! regular file, since the name may be chosen to do harm.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

/// How a process sees files: its root, its working directory, its user.
#[derive(Debug)]
pub struct FileView {
    root: OwnedFd,
    identity: RootIdentity,
    working_directory: Option<PathBuf>,
    user: Uid,
    group: Gid,
}

/// Tells roots apart: two processes with the same see the same files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootIdentity {
    device: u64,
    inode: u64,
    mount_namespace: u64,
    user: u32,
}

impl FileView {
    /// How the process `pid` sees files at this moment. The view outlives it.
    ///
    /// # Errors
    /// When the process is gone, or may not be looked at.
    pub fn of(pid: u32) -> io::Result<Self> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let root = open(
            &proc.join("root"),
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        let root_facts = std::fs::metadata(proc.join("root/."))?;
        let namespace = std::fs::metadata(proc.join("ns/mnt"))?;
        let (user, group) = file_system_ids(&std::fs::read_to_string(proc.join("status"))?);
        let identity = RootIdentity {
            device: root_facts.dev(),
            inode: root_facts.ino(),
            mount_namespace: namespace.ino(),
            user,
        };
        Ok(Self {
            root,
            identity,
            working_directory: working_directory(&proc),
            user: Uid::from_raw(user),
            group: Gid::from_raw(group),
        })
    }

    /// Which root this is.
    pub fn identity(&self) -> RootIdentity {
        self.identity
    }

    /// The path inside the root that the process means by `name`; `None` for
    /// what cannot be a file, such as `<string>`.
    pub fn absolute(&self, name: &str) -> Option<PathBuf> {
        if name.is_empty() || name.starts_with('<') || name.contains('\0') {
            return None;
        }
        let path = Path::new(name);
        if path.is_absolute() {
            return Some(path.to_owned());
        }
        Some(self.working_directory.as_deref()?.join(path))
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// When it does not exist there, is not a regular file, or the process
    /// itself could not read it. Needs Linux 5.6 (`openat2`).
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let relative: PathBuf = path
            .components()
            .filter(|part| !matches!(part, Component::RootDir))
            .collect();
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let opened = {
            let _as_the_process = BorrowedRights::take(self.user, self.group);
            openat2(&self.root, &relative, how)
        };
        let file = File::from(opened?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ))
        }
    }
}

/// The working directory, as the process itself calls it. Linux shows it from
/// our root; a process in a root of its own, in our mount namespace, has that
/// root's path in front.
fn working_directory(proc: &Path) -> Option<PathBuf> {
    let directory = std::fs::read_link(proc.join("cwd")).ok()?;
    let root = std::fs::read_link(proc.join("root")).ok()?;
    match directory.strip_prefix(&root) {
        Ok(inside) => Some(Path::new("/").join(inside)),
        Err(_) => Some(directory),
    }
}

/// The user and group that this thread opens files as, until dropped.
struct BorrowedRights {
    user: Uid,
    group: Gid,
}

impl BorrowedRights {
    fn take(user: Uid, group: Gid) -> Self {
        // The group first: with a user other than root it could not be changed.
        let group = setfsgid(group);
        Self {
            group,
            user: setfsuid(user),
        }
    }
}

impl Drop for BorrowedRights {
    fn drop(&mut self) {
        setfsuid(self.user);
        setfsgid(self.group);
    }
}

/// User and group for file access, the fourth number of `Uid:` and `Gid:` in
/// /proc/PID/status; nobody when they cannot be read.
fn file_system_ids(status: &str) -> (u32, u32) {
    const NOBODY: u32 = 65534;
    let number = |label: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(label))?;
        line.split_ascii_whitespace().nth(3)?.parse().ok()
    };
    (
        number("Uid:").unwrap_or(NOBODY),
        number("Gid:").unwrap_or(NOBODY),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn opens_own_files_and_nothing_else() {
        let view = FileView::of(std::process::id()).expect("this process lives");
        let path = view.absolute("Cargo.toml").expect("a plain name");
        let mut text = String::new();
        let mut file = view
            .open(&path)
            .expect("tests run in the crate's directory");
        file.read_to_string(&mut text).expect("it is text");
        assert!(text.contains("[package]"));
        assert!(view.open(Path::new("/dev/null")).is_err(), "a device");
        assert!(
            view.open(Path::new("/proc/self/root/etc/passwd")).is_err(),
            "a magic link"
        );
        assert_eq!(view.absolute("<string>"), None);
        assert_eq!(view.absolute(""), None);
    }

    #[test]
    fn reads_the_ids_for_file_access() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n";
        assert_eq!(file_system_ids(status), (4, 8));
        assert_eq!(file_system_ids(""), (65534, 65534));
    }
}
