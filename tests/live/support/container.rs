// SPDX-License-Identifier: MIT OR Apache-2.0

//! Namespaces and cgroups made by a test, as a container has them. No container runtime
//! is needed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::machine::say;

/// Namespaces that exist until this is dropped, which ends every process in them.
pub(crate) struct Container {
    unshare: Child,
    /// The pid on the host of process 1 inside.
    init: u32,
}

impl Container {
    /// Creates new namespaces of the kinds that `options` of unshare(1) name, and
    /// always a pid namespace.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut unshare = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child"])
            .args(options)
            // Ends when its input does, and with it everything else inside.
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is everywhere");
        let input = unshare.stdin.as_mut().expect("it was asked for");
        writeln!(input, "ready").expect("it reads");
        let output = unshare.stdout.as_mut().expect("it was asked for");
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("its output is ours");
        assert_eq!(line, "ready\n", "unshare {options:?} did not work");
        let init = children(unshare.id());
        assert_eq!(init.len(), 1, "unshare has one child");
        Self {
            init: init[0],
            unshare,
        }
    }

    /// Returns a command that runs what is added to it inside the namespaces.
    pub(crate) fn enter(&self) -> Command {
        // Other processes of the host must not use up the time that is measured.
        let mut command = Command::new("nice");
        command
            .args(["-n", "-19", "nsenter", "--all", "--target"])
            .arg(self.init.to_string());
        command
    }

    /// Returns the pid on the host of the process that has the pid `inner` inside.
    pub(crate) fn outer_pid(&self, inner: u64) -> u32 {
        let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = namespace(self.init);
        let is_meant = |pid: &u32| namespace(*pid) == own && inner_pid(*pid) == Some(inner);
        let mut found = pids().into_iter().filter(is_meant);
        found.next().expect("it runs")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(self.unshare.stdin.take());
        // Nothing can be done about it here if it does not end.
        let _ = self.unshare.wait();
    }
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("every Linux has it");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Returns the children of `parent` that still exist.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| field(*pid, "PPid:").is_some_and(|it| it == parent.to_string());
    pids().into_iter().filter(is_child).collect()
}

fn inner_pid(pid: u32) -> Option<u64> {
    let numbers = field(pid, "NSpid:")?;
    numbers.split_whitespace().next_back()?.parse().ok()
}

fn field(pid: u32, label: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(label))?;
    Some(line.trim().to_owned())
}

/// A cgroup that is removed when this is dropped. The processes in it must have ended
/// by then.
pub(crate) struct Cgroup {
    /// Its directory.
    pub(crate) directory: PathBuf,
    /// Its path from the root of its hierarchy.
    pub(crate) path: String,
    made: Vec<PathBuf>,
}

impl Cgroup {
    /// Creates the cgroup `name`, which may have slashes in it, below one that only
    /// the calling test uses.
    pub(crate) fn make(name: &str) -> Self {
        Self::make_in(&hierarchy(), name)
    }

    /// Creates a cgroup with at most so many bytes of memory; `None` if this host has none
    /// that limit memory.
    pub(crate) fn with_memory(bytes: u64) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = |place: &Path| fs::read_to_string(place.join("cgroup.controllers"));
        let has_memory = |place: &PathBuf| {
            controllers(place).is_ok_and(|names| names.split_whitespace().any(|it| it == "memory"))
        };
        let unified = [root.to_owned(), root.join("unified")];
        if let Some(place) = unified.into_iter().find(has_memory) {
            fs::write(place.join("cgroup.subtree_control"), "+memory").expect("it has it");
            let cgroup = Self::make_in(&place, "");
            let limit = |name: &str, value: String| fs::write(cgroup.directory.join(name), value);
            limit("memory.max", bytes.to_string()).expect("it may be limited");
            // Not there without swap.
            limit("memory.swap.max", "0".to_owned()).ok();
            return Some(cgroup);
        }
        let place = root.join("memory");
        if !place.join("memory.limit_in_bytes").exists() {
            return None;
        }
        let cgroup = Self::make_in(&place, "");
        let limit = |name: &str| fs::write(cgroup.directory.join(name), bytes.to_string());
        limit("memory.limit_in_bytes").expect("it may be limited");
        // Not there without swap.
        limit("memory.memsw.limit_in_bytes").ok();
        Some(cgroup)
    }

    /// Creates a cgroup of each version whose processes can be frozen, as `docker pause`
    /// does.
    pub(crate) fn freezable() -> Vec<Self> {
        let roots = ["", "unified", "freezer"].map(|place| Path::new("/sys/fs/cgroup").join(place));
        let roots = roots
            .iter()
            .filter(|root| root.join("cgroup.procs").exists());
        let made = roots.map(|root| Self::make_in(root, "frozen"));
        made.filter(|cgroup| cgroup.freezer().is_some()).collect()
    }

    /// The file that freezes it, what to write there, and where to read whether that is done.
    fn freezer(&self) -> Option<(PathBuf, [&'static str; 2], PathBuf)> {
        let file = |name| self.directory.join(name);
        let version_2 = (file("cgroup.freeze"), ["0", "1"], file("cgroup.events"));
        let version_1 = (
            file("freezer.state"),
            ["THAWED", "FROZEN"],
            file("freezer.state"),
        );
        [version_2, version_1]
            .into_iter()
            .find(|(file, ..)| file.exists())
    }

    /// Freezes its processes; they go on when what is returned is dropped.
    pub(crate) fn freeze(&self) -> Frozen<'_> {
        let (file, words, done) = self.freezer().expect("it was made for this");
        fs::write(file, words[1]).expect("root may");
        let is_frozen = || {
            let text = fs::read_to_string(&done).expect("it is there");
            text.contains("frozen 1") || text.trim() == "FROZEN"
        };
        while !is_frozen() {
            std::thread::yield_now();
        }
        Frozen(self)
    }

    fn make_in(root: &Path, name: &str) -> Self {
        // Each test has a thread of its own; its number is among other letters.
        let mut test = format!("{:?}", std::thread::current().id());
        test.retain(|letter| letter.is_ascii_digit());
        let mut path = format!("/pyebpf-live-{}-{test}", std::process::id());
        let mut made = Vec::new();
        for part in std::iter::once("").chain(name.split('/')) {
            if !part.is_empty() {
                path = format!("{path}/{part}");
            }
            let directory = root.join(path.trim_start_matches('/'));
            match fs::create_dir(&directory) {
                Ok(()) => made.push(directory),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", directory.display()),
            }
        }
        let directory = root.join(path.trim_start_matches('/'));
        Self {
            directory,
            path,
            made,
        }
    }

    /// Returns a command that enters this cgroup and executes what is added to it.
    pub(crate) fn enter(&self) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\"; exec \"$@\""])
            .arg(&self.directory);
        command
    }
}

/// Freezes the processes of a cgroup until it is dropped.
pub(crate) struct Frozen<'a>(&'a Cgroup);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Some((file, words, _)) = self.0.freezer() {
            fs::write(file, words[0]).expect("root may");
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in self.made.iter().rev() {
            // The kernel needs a moment to release a process that has ended.
            for _ in 0..1000 {
                match fs::remove_dir(directory) {
                    Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) => {
                        std::thread::yield_now();
                    }
                    _ => break,
                }
            }
        }
    }
}

/// Returns where cgroups can be created: in version 2 if it is there.
fn hierarchy() -> PathBuf {
    let places = ["", "unified", "pids", "systemd", "cpu", "memory"];
    let candidates = places.map(|place| Path::new("/sys/fs/cgroup").join(place));
    let is_hierarchy = |place: &&PathBuf| place.join("cgroup.procs").exists();
    let found = candidates.iter().find(is_hierarchy);
    let found = found.expect("this host has no cgroups that root can make more of");
    say(format!("  cgroups are made in {}", found.display()));
    found.clone()
}
