// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lends one thread the rights that a user has to files. Other threads keep theirs:
//! supplementary groups are set by system call, since the C library's `setgroups` would
//! change every thread.

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::thread::set_thread_groups;

use crate::process::status::numbers;

/// The most groups of a process that are used; the kernel's own limit is `NGROUPS_MAX`,
/// 65536.
const MOST_GROUPS: usize = 65_536;

/// The user and groups that decide which files a process may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUser {
    /// The user id for access to files.
    pub user: Uid,
    /// The group id for access to files.
    pub group: Gid,
    /// The supplementary groups.
    pub groups: Vec<Gid>,
}

impl FileUser {
    /// Reads the user of a process from the content of its `/proc/PID/status`: the fourth
    /// numbers of `Uid:` and `Gid:`, which are those for access to files, and `Groups:`.
    /// Where a line is missing or malformed, it is nobody's (65534).
    pub fn of_status(status: &[u8]) -> Self {
        const NOBODY: u32 = 65534;
        let number = |label| numbers(status, label).get(3).copied().unwrap_or(NOBODY);
        let groups = numbers(status, "Groups").into_iter().take(MOST_GROUPS);
        Self {
            user: Uid::from_raw(number("Uid")),
            group: Gid::from_raw(number("Gid")),
            groups: groups.map(Gid::from_raw).collect(),
        }
    }
}

/// Lets this thread open files as another user until it is dropped. Leaving user 0 also
/// drops the capabilities that override file permissions (capabilities(7)); returning
/// restores them.
#[derive(Debug)]
pub struct FsCredentialsGuard {
    user: Uid,
    group: Gid,
    groups: Option<Vec<Gid>>,
    complete: bool,
}

impl FsCredentialsGuard {
    /// Takes on the rights of `wanted`, as far as the kernel allows (`CAP_SETUID`,
    /// `CAP_SETGID`).
    pub fn take(wanted: &FileUser) -> Self {
        let before = nix::unistd::getgroups().unwrap_or_default();
        let has_groups = set_groups(&wanted.groups);
        // The group first: as another user we may no longer change it.
        let group = setfsgid(wanted.group);
        let user = setfsuid(wanted.user);
        // Neither call reports failure; a second one returns the id that is set
        // (setfsuid(2)).
        let complete =
            setfsgid(wanted.group) == wanted.group && setfsuid(wanted.user) == wanted.user;
        Self {
            user,
            group,
            groups: has_groups.then_some(before),
            // As our own user we may open our files, whatever groups we have.
            complete: complete && (has_groups || wanted.user == user),
        }
    }

    /// Whether this thread may not have become the wanted user. Then only a file that
    /// everybody may read is certain to be readable by that user.
    pub fn are_only_everybodys(&self) -> bool {
        !self.complete
    }
}

impl Drop for FsCredentialsGuard {
    fn drop(&mut self) {
        setfsuid(self.user);
        setfsgid(self.group);
        if let Some(groups) = &self.groups {
            set_groups(groups);
        }
    }
}

/// Replaces the supplementary groups of this thread alone. Returns whether that worked.
pub fn set_groups(groups: &[Gid]) -> bool {
    let raw = |group: &Gid| rustix::thread::Gid::from_raw(group.as_raw());
    let groups: Vec<_> = groups.iter().map(raw).collect();
    set_thread_groups(&groups).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whose_rights_count() {
        let status = b"Name:\t\xff\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        let user = FileUser::of_status(status);
        assert_eq!((user.user.as_raw(), user.group.as_raw()), (4, 8));
        assert_eq!(user.groups, [9, 10].map(Gid::from_raw));
        let nobody = FileUser::of_status(b"Groups:\t\n");
        assert_eq!(
            (nobody.user.as_raw(), nobody.group.as_raw()),
            (65534, 65534)
        );
        assert_eq!(nobody.groups, []);
    }

    #[test]
    fn takes_the_rights_and_gives_them_back() {
        let groups = || nix::unistd::getgroups().expect("we have some");
        let before = groups();
        let wanted = FileUser {
            user: Uid::from_raw(65534),
            group: Gid::from_raw(65534),
            groups: vec![Gid::from_raw(65533)],
        };
        let rights = FsCredentialsGuard::take(&wanted);
        if Uid::effective().is_root() {
            assert!(!rights.are_only_everybodys());
            assert_eq!(groups(), wanted.groups);
        } else {
            assert!(rights.are_only_everybodys());
        }
        drop(rights);
        assert_eq!(groups(), before);
        assert_eq!(setfsuid(Uid::effective()), Uid::effective());
    }
}
