// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the cgroups that a process is in from `/proc/PID/cgroup`: version 1, version 2,
//! or both. `container` tells who made them.
//!
//! Reading the file takes a lock of the whole kernel for a moment, so read it only for
//! processes that matter.

use crate::process::container::CgroupPlace;
use crate::process::proc_file::{ProcessError, read_file};

/// The most bytes that are read: a path has at most 4096, and there are about a dozen
/// hierarchies.
const MAX_FILE: u64 = 64 * 1024;

/// The cgroups of one process, one in each hierarchy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroups(pub(super) Vec<Membership>);

/// The cgroup of a process in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    /// The controllers of this hierarchy, or its name where it has none, such as
    /// `name=systemd`; empty for version 2.
    pub(super) controllers: String,
    /// The path, from the root of our cgroup namespace.
    pub(super) path: String,
}

impl Cgroups {
    /// Reads the cgroups that `pid` is in now.
    ///
    /// # Errors
    /// [`ProcessError`] when the process is gone, or the kernel has no cgroups.
    pub fn read(pid: u32) -> Result<Self, ProcessError> {
        Ok(Self::parse(&read_file(pid, "cgroup", MAX_FILE)?))
    }

    /// Parses the file (cgroups(7)), whose lines are `number:controllers:path`.
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let membership = |line: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            // The kernel appends this to a cgroup that was removed.
            let path = path.strip_suffix(" (deleted)").unwrap_or(path);
            path.starts_with('/').then(|| Membership {
                controllers: controllers.to_owned(),
                path: path.to_owned(),
            })
        };
        Self(text.lines().filter_map(membership).collect())
    }

    /// Returns the place that says most about the process: a container before anything
    /// else, then version 2, then systemd's own hierarchy, then the rest.
    #[must_use]
    pub fn place(&self) -> CgroupPlace {
        let mut ranked: Vec<&Membership> = self.0.iter().filter(|it| it.path != "/").collect();
        ranked.sort_by_key(|it| match it.controllers.as_str() {
            "" => 0,
            "name=systemd" => 1,
            _ => 2,
        });
        let mut places = ranked
            .into_iter()
            .map(|it| CgroupPlace::from_path(&it.path));
        let first = places.next();
        let is_container = |place: &CgroupPlace| place.container.is_some();
        if first.as_ref().is_some_and(is_container) {
            return first.unwrap_or_default();
        }
        places.find(is_container).or(first).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0de6b7984f1c5a0d";

    #[test]
    fn this_process_has_some() {
        let cgroups = Cgroups::read(std::process::id()).expect("every Linux has cgroups");
        assert!(!cgroups.0.is_empty());
        assert!(cgroups.0.iter().all(|it| it.path.starts_with('/')));
    }

    #[test]
    fn version_2_has_one_line() {
        let cgroups = Cgroups::parse(b"0::/system.slice/web.service\n");
        assert_eq!(cgroups.place().label(), "web.service");
        assert_eq!(cgroups.place().path, "/system.slice/web.service");
    }

    #[test]
    fn version_1_has_many() {
        let text = format!(
            "12:pids:/docker/{ID}\n11:cpu,cpuacct:/docker/{ID}\n1:name=systemd:/docker/{ID}\n"
        );
        assert_eq!(
            Cgroups::parse(text.as_bytes()).place().label(),
            "docker:4f1c5a0de6b7"
        );
    }

    #[test]
    fn a_container_counts_wherever_it_is() {
        // A host with both versions: systemd keeps units in its own hierarchy.
        let text = format!("9:name=systemd:/user.slice\n4:memory:/docker/{ID}\n3:cpu:/\n0::/\n");
        assert_eq!(
            Cgroups::parse(text.as_bytes()).place().label(),
            "docker:4f1c5a0de6b7"
        );
        let systemd = Cgroups::parse(b"4:memory:/other\n1:name=systemd:/system.slice/a.service\n");
        assert_eq!(systemd.place().label(), "a.service");
    }

    #[test]
    fn what_is_no_cgroup_is_left_out() {
        assert_eq!(Cgroups::parse(b"0::/\n").place(), CgroupPlace::default());
        assert_eq!(Cgroups::parse(b"\n7\n8:cpu\n9:cpu:x\n\xff").0, []);
        let gone = Cgroups::parse(b"0::/a:b/c (deleted)\n");
        assert_eq!(gone.place().path, "/a:b/c");
    }
}
