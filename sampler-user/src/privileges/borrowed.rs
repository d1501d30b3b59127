//! Lends one thread the rights to files that a user has. It refuses to know which
//! files, and to change any other thread, as the C library's `setgroups` would.

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::thread::set_thread_groups;

/// Most groups of a process that are taken over; the kernel's own limit is
/// `NGROUPS_MAX`, 65536.
const MOST_GROUPS: usize = 65_536;

/// A user, as far as access to files goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileUser {
    pub(crate) user: Uid,
    pub(super) group: Gid,
    pub(super) groups: Vec<Gid>,
}

impl FileUser {
    /// The user of a process, from `/proc/PID/status`: the fourth numbers of `Uid:` and `Gid:`, which are
    /// those for access to files, and `Groups:`; nobody where they are missing.
    pub(crate) fn of_status(status: &str) -> Self {
        const NOBODY: u32 = 65534;
        let field = |label: &str| status.lines().find_map(|line| line.strip_prefix(label));
        let number = |label: &str| {
            let number = field(label)?.split_ascii_whitespace().nth(3)?;
            number.parse().ok()
        };
        let groups = field("Groups:").unwrap_or_default();
        let groups = groups.split_ascii_whitespace().take(MOST_GROUPS);
        Self {
            user: Uid::from_raw(number("Uid:").unwrap_or(NOBODY)),
            group: Gid::from_raw(number("Gid:").unwrap_or(NOBODY)),
            groups: groups
                .filter_map(|group| group.parse().ok().map(Gid::from_raw))
                .collect(),
        }
    }
}

/// This thread opens files as another user until this is dropped. Leaving user 0
/// also takes the capabilities that override permissions of files from it
/// (capabilities(7)), and coming back returns them.
#[derive(Debug)]
pub(crate) struct BorrowedRights {
    user: Uid,
    group: Gid,
    groups: Option<Vec<Gid>>,
    complete: bool,
}

impl BorrowedRights {
    /// Becomes `wanted`, as far as the kernel lets us (`CAP_SETUID`, `CAP_SETGID`).
    pub(crate) fn take(wanted: &FileUser) -> Self {
        let before = nix::unistd::getgroups().unwrap_or_default();
        let has_groups = set_groups(&wanted.groups);
        // The group first: with another user it might not be changed any more.
        let group = setfsgid(wanted.group);
        let user = setfsuid(wanted.user);
        // Neither call tells of failure; asking again does (setfsuid(2)).
        let complete =
            setfsgid(wanted.group) == wanted.group && setfsuid(wanted.user) == wanted.user;
        Self {
            user,
            group,
            groups: has_groups.then_some(before),
            // Our own user's files are ours, with whatever groups we have.
            complete: complete && (has_groups || wanted.user == user),
        }
    }

    /// Whether this thread may be anyone but the user it was to be: then only
    /// what everybody may read is that user's to read.
    pub(crate) fn are_only_everybodys(&self) -> bool {
        !self.complete
    }
}

impl Drop for BorrowedRights {
    fn drop(&mut self) {
        setfsuid(self.user);
        setfsgid(self.group);
        if let Some(groups) = &self.groups {
            set_groups(groups);
        }
    }
}

pub(super) fn set_groups(groups: &[Gid]) -> bool {
    let raw = |group: &Gid| rustix::thread::Gid::from_raw(group.as_raw());
    let groups: Vec<_> = groups.iter().map(raw).collect();
    set_thread_groups(&groups).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whose_rights_count() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        let user = FileUser::of_status(status);
        assert_eq!((user.user.as_raw(), user.group.as_raw()), (4, 8));
        assert_eq!(user.groups, [9, 10].map(Gid::from_raw));
        let nobody = FileUser::of_status("Groups:\t\n");
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
        let rights = BorrowedRights::take(&wanted);
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
