// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opens a file that a process names, as that process itself could: inside its own root,
//! with its own rights. Never opens anything but a regular file on a real file system,
//! because the name may be chosen to do harm.
//!
//! The file is first only referred to (`O_PATH`), then checked, and only then opened:
//! opening a device or a FIFO can have effects, such as waking whoever waits at the other
//! end. The file that is opened is the very file that was checked. Each step can wait for
//! a file system that hangs, so call this from a thread that can be abandoned and that
//! has no capability that overrides file permissions.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::statfs::{self, FsType, fstatfs};

use crate::process::environment::variable;
use crate::process::fs_credentials::{FileUser, FsCredentialsGuard};
use crate::process::living_task::living_task;
use crate::process::program_start::program_start;

/// How a process sees files: its root, its working directory, its user.
#[derive(Debug)]
pub struct FileView {
    root: OwnedFd,
    identity: RootIdentity,
    working_directory: Option<PathBuf>,
    /// The working directory when its program began, according to its environment.
    first_directory: Option<PathBuf>,
    /// Whether its root is not the one that its program was started in.
    has_changed_root: bool,
    program_start: Option<SystemTime>,
    user: FileUser,
}

/// Identifies a view of the file system: two processes with equal ones see the same
/// files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootIdentity {
    device: u64,
    inode: u64,
    mount_namespace: u64,
    user: u32,
}

impl FileView {
    /// Captures how the process `pid` sees files at this moment. The view outlives the
    /// process.
    ///
    /// # Errors
    /// When the process is gone or cannot be read.
    pub fn open_root(pid: u32) -> io::Result<Self> {
        Self::of_task(pid).or_else(|error| match living_task(pid) {
            Some(tid) => Self::of_task(tid),
            None => Err(error),
        })
    }

    fn of_task(pid: u32) -> io::Result<Self> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let root = open(
            &proc.join("root"),
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        let root_facts = std::fs::metadata(proc.join("root/."))?;
        let namespace = std::fs::metadata(proc.join("ns/mnt"))?;
        let user = FileUser::of_status(&std::fs::read(proc.join("status"))?);
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
            first_directory: first_directory(pid),
            has_changed_root: has_changed_root(&proc),
            program_start: program_start(pid).ok(),
            user,
        })
    }

    /// Returns since when the process, or one that it was forked from, has run its
    /// program: an older file is as it was when it was imported. `None` when unknown.
    pub fn program_start(&self) -> Option<SystemTime> {
        self.program_start
    }

    /// Whether a name still means what it did when the program began: the root is the
    /// same and, for a relative name, so is the working directory, as far as the
    /// environment tells.
    pub fn is_settled(&self, name: &str) -> bool {
        !self.has_changed_root
            && (name.starts_with('/')
                || self.first_directory.is_some() && self.first_directory == self.working_directory)
    }

    /// Returns which root this is.
    pub fn identity(&self) -> RootIdentity {
        self.identity
    }

    /// Returns the paths inside the root that the process may mean by `name`; none for
    /// what cannot be a file, such as `<string>`. A relative name may date from the start
    /// of the program, when the process was in another directory.
    pub fn paths(&self, name: &str) -> Vec<PathBuf> {
        if name.is_empty() || name.starts_with('<') || name.contains('\0') {
            return Vec::new();
        }
        let bases: Vec<Option<&PathBuf>> = if name.starts_with('/') {
            vec![None]
        } else {
            let now = self.working_directory.iter();
            let first = self.first_directory.iter();
            let others = first.filter(|it| Some(*it) != self.working_directory.as_ref());
            now.chain(others).map(Some).collect()
        };
        let as_bytes = with_bytes(name).map(PathBuf::from);
        let names = || std::iter::once(PathBuf::from(name)).chain(as_bytes.clone());
        let under = |base: Option<&PathBuf>, name: PathBuf| match base {
            Some(base) => base.join(name),
            None => name,
        };
        let paths = bases.into_iter();
        paths
            .flat_map(|base| names().map(move |name| under(base, name)))
            .collect()
    }

    /// Opens a regular file of at most `longest` bytes for reading, unless `refuse`
    /// rejects the device that it is on.
    ///
    /// Where the kernel does not let this thread act as the process's user, a file counts
    /// only if everybody may read it.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when `refuse` rejects the device. Any other kind when
    /// the file does not exist there, is empty, is too long, is not a regular file of a
    /// real file system, or could not be read by the process itself. Needs Linux 5.6
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
        let rights = FsCredentialsGuard::take(&self.user);
        let handle = openat2(&self.root, &relative, how)?;
        let status = fstat(&handle)?;
        let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return refused("not a regular file");
        }
        // Most files whose content the kernel makes up claim to be empty.
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

/// Whether the kernel makes up the content of files on this file system. Some content
/// depends on who asks: `/proc/self/environ` would be our own.
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

/// Returns a name as the bytes that the process opened, where `\xNN` stands for a byte
/// that is not part of a character. `None` for a name without such bytes.
fn with_bytes(name: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("\\x") {
        let number = rest.get(at + 2..at + 4);
        let byte = number.and_then(|number| u8::from_str_radix(number, 16).ok());
        let (before, after) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        match byte {
            Some(byte @ 0x80..) => {
                bytes.push(byte);
                rest = &after[4..];
            }
            _ => {
                bytes.extend_from_slice(b"\\x");
                rest = &after[2..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    (bytes != name.as_bytes()).then(|| OsString::from_vec(bytes))
}

/// Returns where the program was started, by the `PWD` that a shell sets for what it
/// starts (environ(7)). The process itself no longer shows it.
fn first_directory(pid: u32) -> Option<PathBuf> {
    let directory = variable(pid, "PWD")?;
    let is_absolute = directory.starts_with(b"/");
    is_absolute.then(|| OsString::from_vec(directory).into())
}

/// Whether the program of the process lies outside its root.
fn has_changed_root(proc: &Path) -> bool {
    let root = std::fs::read_link(proc.join("root"));
    let program = std::fs::read_link(proc.join("exe"));
    match (root, program) {
        (Ok(root), Ok(program)) => !program.starts_with(root),
        _ => false,
    }
}

/// Returns the working directory as the process itself calls it. Linux shows it from our
/// root: for a process that has its own root in our mount namespace, the path of that
/// root comes first.
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
        FileView::open_root(std::process::id()).expect("this process lives")
    }

    #[test]
    fn a_task_whose_name_is_no_text_has_a_view() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::fs::write("/proc/thread-self/comm", b"caf\xe9").expect("it is our name");
                let tid = nix::unistd::gettid().as_raw().unsigned_abs();
                assert!(FileView::of_task(tid).is_ok());
            });
        });
    }

    #[test]
    fn opens_own_files_and_nothing_else() {
        let view = own_view();
        let paths = view.paths("Cargo.toml");
        let path = paths.first().expect("a plain name");
        let mut text = String::new();
        let mut file = view
            .open(path, LONGEST, |_| false)
            .expect("tests run in the crate's directory");
        file.read_to_string(&mut text).expect("it is text");
        assert!(text.contains("[package]"));
        assert!(view.open(path, 3, |_| false).is_err(), "too long");
        let refused = view.open(path, LONGEST, |_| true).err();
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
        assert!(view.paths("<string>").is_empty() && view.paths("").is_empty());
        assert!(view.is_settled("/any/file.py"));
        assert!(view.program_start().is_some());
    }

    #[test]
    fn a_relative_name_is_looked_for_where_the_program_began_too() {
        let view = FileView {
            working_directory: Some("/now".into()),
            first_directory: Some("/first".into()),
            ..own_view()
        };
        assert!(!view.is_settled("a.py") && view.is_settled("/a.py"));
        let expected = ["/now/a.py", "/first/a.py"].map(PathBuf::from);
        assert_eq!(view.paths("a.py"), expected);
        assert_eq!(view.paths("/a.py"), [PathBuf::from("/a.py")]);
        let view = FileView {
            first_directory: Some("/now".into()),
            ..view
        };
        assert!(view.is_settled("a.py"));
        assert_eq!(view.paths("a.py"), [PathBuf::from("/now/a.py")]);
        let view = FileView {
            has_changed_root: true,
            ..view
        };
        assert!(!view.is_settled("/a.py"));
    }

    #[test]
    fn bytes_that_are_no_text_are_in_the_path() {
        use std::os::unix::ffi::OsStrExt;
        let bytes = |name| with_bytes(name).map(|it| it.as_bytes().to_vec());
        assert_eq!(
            bytes("/caf\\xe9/\\x41\\xff.py"),
            Some(b"/caf\xe9/\\x41\xff.py".to_vec())
        );
        assert_eq!(bytes("/\\x41\\x\\x8\\xé"), None);
        assert_eq!(own_view().paths("/\\xe9").len(), 2);
    }

    #[test]
    fn a_fifo_is_not_opened() {
        let path = std::env::temp_dir().join(format!("pyebpf-fifo-{}", std::process::id()));
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a name of ours");
        let opened = own_view().open(&path, LONGEST, |_| false);
        // This would succeed if anybody had opened the FIFO for reading.
        let writer = open(&path, OFlag::O_WRONLY | OFlag::O_NONBLOCK, Mode::empty());
        std::fs::remove_file(&path).expect("it is there");
        assert!(opened.is_err());
        assert_eq!(writer.err(), Some(nix::errno::Errno::ENXIO));
    }
}
