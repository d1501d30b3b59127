// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who is at the other end of a connection, and what they may see.

use std::net::IpAddr;

use rustix::process::getuid;

use crate::protocol::message::ProcessEntry;

/// Who is at the other end; connections are counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PeerId {
    /// A user of this host.
    User(u32),
    /// An address.
    Address(IpAddr),
}

/// What a client may see and do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Which processes it may see.
    pub(crate) viewer: Viewer,
    /// Whether it came over TCP, and a token is needed.
    pub(crate) is_tcp: bool,
}

/// Which processes a client may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// All of them. Such a client may also start, stop, mark and delete.
    All,
    /// Those that run as this user.
    Own(u32),
}

impl Access {
    /// The access of a client over TCP, once it has shown its token.
    #[must_use]
    pub(crate) fn over_tcp() -> Self {
        Self {
            viewer: Viewer::All,
            is_tcp: true,
        }
    }

    /// The access of a user of this host, in these groups, over a Unix socket that `group`
    /// owns.
    #[must_use]
    pub(crate) fn of_user(uid: u32, gid: u32, others: &[u32], group: u32) -> Self {
        let is_member = gid == group || others.contains(&group);
        let sees_all = uid == 0 || uid == getuid().as_raw() || is_member;
        Self {
            viewer: if sees_all {
                Viewer::All
            } else {
                Viewer::Own(uid)
            },
            is_tcp: false,
        }
    }

    /// Whether the client may see a process of this user. Where the user is not known, only
    /// those may who see everything.
    #[must_use]
    pub(crate) fn sees(self, uid: Option<u32>) -> bool {
        match self.viewer {
            Viewer::All => true,
            Viewer::Own(own) => uid == Some(own),
        }
    }

    /// The user whose processes alone the client may see, if so.
    #[must_use]
    pub(crate) fn own_uid(self) -> Option<u32> {
        match self.viewer {
            Viewer::All => None,
            Viewer::Own(uid) => Some(uid),
        }
    }

    /// Whether the client may see something about a process. The pid may have belonged to
    /// several processes; then it has to be allowed to see all of them.
    #[must_use]
    pub(crate) fn sees_pid(self, pid: u32, processes: &[ProcessEntry]) -> bool {
        let mut of_pid = processes.iter().filter(|it| it.pid == pid).peekable();
        match self.viewer {
            Viewer::All => true,
            Viewer::Own(_) => of_pid.peek().is_some() && of_pid.all(|it| self.sees(it.uid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_by_their_groups() {
        let viewer = |uid, gid, others: &[u32]| Access::of_user(uid, gid, others, 998).viewer;
        let own = getuid().as_raw();
        for (uid, gid, others) in [
            (0, 0, &[][..]),
            (own, 1, &[]),
            (own + 1, 998, &[]),
            (own + 1, 1, &[4, 998]),
        ] {
            assert_eq!(
                viewer(uid, gid, others),
                Viewer::All,
                "{uid} {gid} {others:?}"
            );
        }
        for others in [&[][..], &[4, 27]] {
            assert_eq!(viewer(own + 1, 1, others), Viewer::Own(own + 1));
        }
    }

    #[test]
    fn others_see_their_own_alone() {
        let own = Access {
            viewer: Viewer::Own(1000),
            is_tcp: false,
        };
        assert!(own.sees(Some(1000)) && !own.sees(Some(0)) && !own.sees(None));
        let process = |pid, uid| ProcessEntry {
            pid,
            uid,
            ..ProcessEntry::default()
        };
        let all = [
            process(1, Some(1000)),
            process(2, Some(1000)),
            process(2, Some(0)),
            process(3, None),
        ];
        let seen = |pid| own.sees_pid(pid, &all);
        assert_eq!([1, 2, 3, 4].map(seen), [true, false, false, false]);
        assert!(Access::over_tcp().sees_pid(4, &all));
    }
}
