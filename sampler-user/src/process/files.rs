//! Opens a file that a process names, as that process itself could: inside its
//! own root, with its own rights. It refuses to read anything but a regular file
//! on a real file system, since the name may be chosen to do harm.
//!
//! The file is first only referred to (`O_PATH`), then looked at, and only then
//! opened: to open a device or a FIFO can have effects, be it to wake who waits
//! at the other end. What is opened is the very file that was looked at. All of
//! it can wait for a file system that hangs, so ask for it through
//! [`Patient`](crate::patient::Patient), in the role
//! [`Role::Sources`](crate::privileges::Role): none of that role's capabilities
//! overrides the permissions of a file.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::statfs::{self, FsType, fstatfs};

use crate::privileges::{BorrowedRights, FileUser};

/// How a process sees files: its root, its working directory, its user.
#[derive(Debug)]
pub struct FileView {
    root: OwnedFd,
    identity: RootIdentity,
    working_directory: Option<PathBuf>,
    user: FileUser,
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
        let user = FileUser::of_status(&std::fs::read_to_string(proc.join("status"))?);
        let identity = RootIdentity {
            device: root_facts.dev(),
            inode: root_facts.ino(),
            mount_namespace: namespace.ino(),
            user: user.user.as_raw(),
        };
        Ok(Self {
            root,
            identity,
            working_directory: working_directory(&proc),
            user,
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

    /// Opens a regular file for reading, of at most `longest` bytes, unless
    /// `refuse` has no use for files of the device that it is on.
    ///
    /// Where the kernel does not let this thread act as the process's user, a
    /// file counts only if everybody may read it.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when refused so; anything else when it does not
    /// exist there, is empty, longer, or no regular file of a
    /// real file system, or the process itself could not read it. Needs Linux 5.6
    /// (`openat2`).
    pub fn open(
        &self,
        path: &Path,
        longest: u64,
        refuse: impl FnOnce(u64) -> bool,
    ) -> io::Result<File> {
        let relative: PathBuf = path
            .components()
            .filter(|part| !matches!(part, Component::RootDir))
            .collect();
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let rights = BorrowedRights::take(&self.user);
        let handle = openat2(&self.root, &relative, how)?;
        let status = fstat(&handle)?;
        let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return refused("not a regular file");
        }
        // Most files that the kernel makes up say that they are empty.
        if !u64::try_from(status.st_size).is_ok_and(|size| (1..=longest).contains(&size)) {
            return refused("empty, or too long");
        }
        if rights.are_only_everybodys() && status.st_mode & Mode::S_IROTH.bits() == 0 {
            return refused("not readable by everybody");
        }
        if refuse(status.st_dev) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if is_made_up(fstatfs(handle.as_fd())?.filesystem_type()) {
            return refused("not on a disk");
        }
        let this = format!("/proc/self/fd/{}", handle.as_raw_fd());
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        Ok(File::from(open(Path::new(&this), flags, Mode::empty())?))
    }
}

/// Whether the kernel itself makes the content of such files up, some of it
/// according to who asks: `/proc/self/environ` would be our own.
fn is_made_up(file_system: FsType) -> bool {
    const EFIVARFS: FsType = FsType(0xde5e_81e4);
    const CONFIGFS: FsType = FsType(0x6265_6570);
    const PSTORE: FsType = FsType(0x6165_676c);
    const BINFMT: FsType = FsType(0x4249_4e4d);
    [
        statfs::PROC_SUPER_MAGIC,
        statfs::SYSFS_MAGIC,
        statfs::DEBUGFS_MAGIC,
        statfs::TRACEFS_MAGIC,
        statfs::SECURITYFS_MAGIC,
        statfs::SELINUX_MAGIC,
        statfs::SMACK_MAGIC,
        statfs::CGROUP_SUPER_MAGIC,
        statfs::CGROUP2_SUPER_MAGIC,
        statfs::RDTGROUP_SUPER_MAGIC,
        statfs::BPF_FS_MAGIC,
        statfs::NSFS_MAGIC,
        statfs::DEVPTS_SUPER_MAGIC,
        statfs::XENFS_SUPER_MAGIC,
        EFIVARFS,
        CONFIGFS,
        PSTORE,
        BINFMT,
    ]
    .contains(&file_system)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const LONGEST: u64 = 1 << 20;

    fn own_view() -> FileView {
        FileView::of(std::process::id()).expect("this process lives")
    }

    #[test]
    fn opens_own_files_and_nothing_else() {
        let view = own_view();
        let path = view.absolute("Cargo.toml").expect("a plain name");
        let mut text = String::new();
        let mut file = view
            .open(&path, LONGEST, |_| false)
            .expect("tests run in the crate's directory");
        file.read_to_string(&mut text).expect("it is text");
        assert!(text.contains("[package]"));
        assert!(view.open(&path, 3, |_| false).is_err(), "too long");
        let refused = view.open(&path, LONGEST, |_| true).err();
        assert_eq!(refused.map(|it| it.kind()), Some(io::ErrorKind::TimedOut));
        for (path, what) in [
            ("/dev/null", "a device"),
            ("/proc/self/root/etc/passwd", "a magic link"),
            ("/proc/self/environ", "what we are told, not the process"),
            ("/proc/version", "made up"),
            ("/sys/kernel/mm/transparent_hugepage/enabled", "made up"),
            ("/etc", "a directory"),
        ] {
            assert!(
                view.open(Path::new(path), LONGEST, |_| false).is_err(),
                "{what}"
            );
        }
        assert_eq!(view.absolute("<string>"), None);
        assert_eq!(view.absolute(""), None);
    }

    #[test]
    fn a_fifo_is_not_opened() {
        let path = std::env::temp_dir().join(format!("pyebpf-fifo-{}", std::process::id()));
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a name of ours");
        let opened = own_view().open(&path, LONGEST, |_| false);
        // Nobody has opened it for reading, or this would be let in.
        let writer = open(&path, OFlag::O_WRONLY | OFlag::O_NONBLOCK, Mode::empty());
        std::fs::remove_file(&path).expect("it is there");
        assert!(opened.is_err());
        assert_eq!(writer.err(), Some(nix::errno::Errno::ENXIO));
    }
}
