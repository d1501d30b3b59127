// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decides who owns what pyebpf creates: the caller of sudo, or the user that pyebpf runs
//! as. Lends a thread the caller's rights to files for a while.

pub mod drop_privileges;
pub mod role;

use std::ffi::{CString, OsString};
use std::fmt;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User};
use sampler_cpython::process::fs_credentials::{FileUser, FsCredentialsGuard};
use thiserror::Error;

/// Why the caller of sudo cannot be known or acted for.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// A variable that sudo sets does not hold an id.
    #[error(
        "{variable} is {value:?}, which is not an id: run pyebpf through sudo, or unset the variable"
    )]
    NoId {
        /// `SUDO_UID` or `SUDO_GID`.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The group of the caller of sudo is not known.
    #[error("user {uid} called sudo, but SUDO_GID is not set and the user has no account")]
    NoGroup {
        /// The user.
        uid: Uid,
    },
    /// The kernel did not let pyebpf take on the caller's rights.
    #[error(
        "cannot act as user {uid}, who called sudo: CAP_SETUID and CAP_SETGID are needed; \
         unset SUDO_UID to write files as root"
    )]
    Refused {
        /// The user.
        uid: Uid,
    },
}

/// The account that called sudo.
#[derive(Clone, PartialEq, Eq)]
pub struct UserAccount {
    /// The user.
    pub uid: Uid,
    /// The user's group when sudo was called.
    pub gid: Gid,
    /// All groups of the user, including that one.
    pub groups: Vec<Gid>,
    /// The login name; `None` for a user without an account on this host.
    pub name: Option<String>,
    /// The home directory; `/` for a user without an account on this host.
    pub home: PathBuf,
}

impl fmt::Debug for UserAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UserAccount({}:{})", self.uid, self.gid)
    }
}

/// Who owns the files that pyebpf writes and the command that it starts: the caller of
/// sudo, or the user that pyebpf runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    account: Option<UserAccount>,
}

impl Owner {
    /// The user that pyebpf runs as.
    pub fn ourselves() -> Self {
        Self::default()
    }

    /// The given account. Only root can act for another one.
    pub fn account_of(account: UserAccount) -> Self {
        Self {
            account: Some(account),
        }
    }

    /// Returns the caller of sudo if pyebpf runs as root through sudo, else the user that
    /// it runs as.
    ///
    /// `SUDO_UID` and `SUDO_GID` count only with an effective user id of 0:
    /// for anyone else they are just text from the environment.
    ///
    /// # Errors
    /// When pyebpf runs as root and the variables make no sense.
    pub fn of_this_process() -> Result<Self, PrivilegeError> {
        Self::from_variables(Uid::effective(), |name| std::env::var_os(name))
    }

    fn from_variables(
        effective: Uid,
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, PrivilegeError> {
        let number = |variable: &'static str| match lookup(variable) {
            None => Ok(None),
            Some(value) => value
                .to_str()
                // -1 means "leave it as it is" to the kernel; it is nobody's id.
                .and_then(|text| text.parse().ok().filter(|&id: &u32| id != u32::MAX))
                .map(Some)
                .ok_or_else(|| PrivilegeError::NoId {
                    variable,
                    value: value.to_string_lossy().into_owned(),
                }),
        };
        if !effective.is_root() {
            return Ok(Self::ourselves());
        }
        let uid = match number("SUDO_UID")? {
            None | Some(0) => return Ok(Self::ourselves()),
            Some(uid) => Uid::from_raw(uid),
        };
        let user = User::from_uid(uid).ok().flatten();
        let gid = number("SUDO_GID")?
            .map(Gid::from_raw)
            .or(user.as_ref().map(|user| user.gid))
            .ok_or(PrivilegeError::NoGroup { uid })?;
        let groups = user
            .as_ref()
            .and_then(|user| CString::new(user.name.as_bytes()).ok())
            .and_then(|name| nix::unistd::getgrouplist(&name, gid).ok())
            .unwrap_or_else(|| vec![gid]);
        let (name, home) = match user {
            Some(user) => (Some(user.name), user.dir),
            None => (None, PathBuf::from("/")),
        };
        Ok(Self::account_of(UserAccount {
            uid,
            gid,
            groups,
            name,
            home,
        }))
    }

    /// The account to act for; `None` for the user that pyebpf runs as.
    pub fn account(&self) -> Option<&UserAccount> {
        self.account.as_ref()
    }

    /// Restricts this thread to the owner's rights to files until the guard is dropped.
    /// Changes nothing, and returns `None`, if it already runs as the owner.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub fn act(&self) -> Result<Option<ActingAs>, PrivilegeError> {
        let other = self.account.as_ref();
        let other = other.filter(|account| account.uid != Uid::effective());
        other.map(ActingAs::enter).transpose()
    }
}

/// Makes this thread act for an account until it is dropped.
#[derive(Debug)]
pub struct ActingAs {
    _rights: FsCredentialsGuard,
}

impl ActingAs {
    fn enter(account: &UserAccount) -> Result<Self, PrivilegeError> {
        let rights = FsCredentialsGuard::take(&FileUser {
            user: account.uid,
            group: account.gid,
            groups: account.groups.clone(),
        });
        if rights.are_only_everybodys() {
            return Err(PrivilegeError::Refused { uid: account.uid });
        }
        Ok(Self { _rights: rights })
    }
}

#[cfg(test)]
pub mod tests;
