// SPDX-License-Identifier: MIT OR Apache-2.0

//! Resolves a cgroup that a user named, and tells which processes are in it or below it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::cgroup::{Cgroups, Membership};
use crate::process::container::{CgroupPlace, is_id};
use crate::process::identity::running_pids;

/// The fewest digits that can stand for a whole container id.
const LEAST_DIGITS: usize = 8;

/// The error for a cgroup that does not exist.
#[derive(Debug, thiserror::Error)]
#[error(
    "no such cgroup: {given}; give a path as in /proc/PID/cgroup or `pyebpf ps`, a directory below \
     /sys/fs/cgroup, or the name of a running unit or container"
)]
pub struct NoSuchCgroup {
    /// What the user gave.
    given: String,
}

/// The cgroup that a user means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupSelector(Meaning);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// This cgroup and all below it.
    Path {
        /// The mount options of the hierarchy, its controllers among them; `None` for any
        /// hierarchy.
        hierarchy: Option<String>,
        path: String,
    },
    /// Cgroups with this name: a unit, a container's id, or what `pyebpf ps` shows.
    Name(String),
}

impl CgroupSelector {
    /// Finds what `given`, a path or a name, means on this host now.
    ///
    /// # Errors
    /// [`NoSuchCgroup`] when there is no such directory and no process in such a cgroup.
    pub fn find(given: &str) -> Result<Self, NoSuchCgroup> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        let (meaning, is_there) = meaning(given, &mounts);
        let selector = Self(meaning);
        let is_inside = |pid| Cgroups::read(pid).is_ok_and(|cgroups| selector.holds(&cgroups));
        if is_there
            || running_pids()
                .unwrap_or_default()
                .into_iter()
                .any(is_inside)
        {
            return Ok(selector);
        }
        let given = given.to_owned();
        Err(NoSuchCgroup { given })
    }

    /// Whether a process with these cgroups is in the selected cgroup or below it.
    #[must_use]
    pub fn holds(&self, cgroups: &Cgroups) -> bool {
        cgroups.0.iter().any(|membership| match &self.0 {
            Meaning::Path { hierarchy, path } => {
                let of_hierarchy = hierarchy.as_deref().is_none_or(|it| is_of(membership, it));
                of_hierarchy && is_below(&membership.path, path)
            }
            Meaning::Name(name) => is_called(&membership.path, name),
        })
    }
}

/// Returns what `given` means, and whether there is a directory for it.
fn meaning(given: &str, mounts: &[Mount]) -> (Meaning, bool) {
    if !given.starts_with('/') {
        return (Meaning::Name(given.to_owned()), false);
    }
    let given = match given.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    // A directory of a cgroup file system. The mount with the longest path counts.
    let inside = |mount: &&Mount| Path::new(given).starts_with(&mount.point);
    let mount = mounts.iter().filter(inside);
    if let Some(mount) = mount.max_by_key(|mount| mount.point.as_os_str().len()) {
        let below = Path::new(given).strip_prefix(&mount.point);
        let below = below.ok().and_then(Path::to_str).unwrap_or_default();
        let path = format!("{}/{below}", mount.root.trim_end_matches('/'));
        let path = match path.trim_end_matches('/') {
            "" => "/".to_owned(),
            trimmed => trimmed.to_owned(),
        };
        let hierarchy = Some(mount.controllers.clone());
        return (Meaning::Path { hierarchy, path }, Path::new(given).is_dir());
    }
    let is_there = mounts.iter().any(|mount| mount.has(given));
    let path = given.to_owned();
    (
        Meaning::Path {
            hierarchy: None,
            path,
        },
        is_there,
    )
}

/// A mounted hierarchy.
struct Mount {
    point: PathBuf,
    /// The cgroup that is mounted there.
    root: String,
    /// The mount options, the controllers among them; empty for version 2.
    controllers: String,
}

impl Mount {
    /// Parses a line (proc_pid_mountinfo(5)); `None` if it is not a cgroup mount.
    fn parse(line: &str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let controllers = match name {
            "cgroup" => options.to_owned(),
            "cgroup2" => String::new(),
            _ => return None,
        };
        Some(Self {
            // The kernel escapes a space as an octal number.
            point: point.replace("\\040", " ").into(),
            root: root.replace("\\040", " "),
            controllers,
        })
    }

    /// Whether the cgroup `path` is visible through this mount.
    fn has(&self, path: &str) -> bool {
        let below = Path::new(path).strip_prefix(&self.root);
        below.is_ok_and(|below| self.point.join(below).is_dir())
    }
}

/// Whether `membership` is in the hierarchy with these mount options.
fn is_of(membership: &Membership, options: &str) -> bool {
    let mut controllers = membership.controllers.split(',');
    match options {
        "" => membership.controllers.is_empty(),
        options => controllers.all(|it| !it.is_empty() && options.split(',').any(|of| of == it)),
    }
}

fn is_below(path: &str, wanted: &str) -> bool {
    Path::new(path).starts_with(wanted)
}

fn is_called(path: &str, name: &str) -> bool {
    let place = CgroupPlace::from_path(path);
    let label = place.label();
    if label == name || label.split('/').any(|part| part == name) {
        return true;
    }
    let is_short_id = name.len() >= LEAST_DIGITS;
    path.split('/').any(|component| {
        let bare = component.strip_suffix(".scope").unwrap_or(component);
        let id = bare.rsplit(['-', ':']).next().unwrap_or(bare);
        component == name || is_short_id && is_id(id) && id.starts_with(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 23 0:26 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 /docker/abc /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids";

    fn selector(given: &str) -> CgroupSelector {
        let mounts: Vec<Mount> = MOUNTS.lines().filter_map(Mount::parse).collect();
        assert_eq!(mounts.len(), 3);
        CgroupSelector(meaning(given, &mounts).0)
    }

    #[track_caller]
    fn holds(given: &str, cgroups: &str) -> bool {
        selector(given).holds(&Cgroups::parse(cgroups.as_bytes()))
    }

    #[test]
    fn a_path_holds_what_is_below_it() {
        let web = "0::/system.slice/web.service\n";
        assert!(holds("/system.slice/web.service", web));
        assert!(holds("/system.slice/", web));
        assert!(holds("/", web));
        assert!(!holds("/system.slice/web", web));
        assert!(!holds("/web.service", web));
    }

    #[test]
    fn a_directory_is_of_one_hierarchy() {
        let both = "3:cpu,cpuacct:/a/b\n2:pids:/docker/abc/c\n0::/x\n";
        assert!(holds("/sys/fs/cgroup/cpu,cpuacct/a", both));
        assert!(!holds("/sys/fs/cgroup/unified/a", both));
        assert!(holds("/sys/fs/cgroup/unified/x", both));
        assert!(holds("/sys/fs/cgroup/unified/", both));
        // Only a part of this hierarchy is mounted.
        assert!(holds("/sys/fs/cgroup/pids/c", both));
        assert!(holds("/sys/fs/cgroup/pids", both));
        assert!(!holds("/sys/fs/cgroup/pids/d", both));
    }

    #[test]
    fn a_name_is_that_of_a_unit_or_container() {
        let id = "4f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0d";
        let docker = format!("0::/system.slice/docker-{id}.scope\n");
        for name in [
            "4f1c5a0d",
            "4f1c5a0de6b7",
            id,
            "docker:4f1c5a0de6b7",
            "system.slice",
        ] {
            assert!(holds(name, &docker), "{name}");
        }
        for name in ["4f1c", "5a0de6b7", "docker", "docker:4f1c"] {
            assert!(!holds(name, &docker), "{name}");
        }
        let pod = format!("0::/kubepods/pod1b2c3d4e-0a1b-4c5d-8e9f-0123456789ab/{id}\n");
        assert!(holds("pod:1b2c3d4e", &pod));
        assert!(holds("web.service", "0::/system.slice/web.service/sub\n"));
    }

    #[test]
    fn what_is_nowhere_is_an_error() {
        for given in [
            "/no/such/cgroup",
            "no-such.service",
            "/sys/fs/cgroup/nothing",
        ] {
            let error = CgroupSelector::find(given).expect_err("nobody made it");
            assert!(error.to_string().contains(given), "{error}");
        }
        assert!(CgroupSelector::find("/").is_ok());
    }
}
