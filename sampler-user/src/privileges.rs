//! Who owns what this program makes: the caller of sudo, or nobody else. It
//! refuses to know what is made: it lends the caller's file rights for a while.

use std::ffi::{CString, OsString};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::unistd::{Gid, Uid, User};
use thiserror::Error;

/// Why the caller of sudo cannot be known or acted for.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// A variable that sudo sets holds no number.
    #[error("{variable} is {value:?}, which is no id: run this through sudo, or unset it")]
    NoId {
        /// `SUDO_UID` or `SUDO_GID`.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
    /// The account's group is not known.
    #[error("user {uid} called sudo, but SUDO_GID is not set and the user has no account")]
    NoGroup {
        /// The user.
        uid: Uid,
    },
    /// The kernel did not let us take on the caller's rights.
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
pub struct Account {
    /// The user.
    pub uid: Uid,
    /// The user's group when sudo was called.
    pub gid: Gid,
    /// All groups of the user, that one among them.
    pub groups: Vec<Gid>,
    /// The login name; `None` for a user without an account on this host.
    pub name: Option<String>,
    /// The home directory; `/` for a user without an account on this host.
    pub home: PathBuf,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Account({}:{})", self.uid, self.gid)
    }
}

/// Who owns the files we write and the command we start: the caller of sudo, or
/// whoever we run as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    account: Option<Account>,
}

impl Owner {
    /// Whoever we run as.
    pub fn ourselves() -> Self {
        Self::default()
    }

    /// This account. Only root can act for another one.
    pub fn account_of(account: Account) -> Self {
        Self {
            account: Some(account),
        }
    }

    /// The caller of sudo when we are root through sudo, else ourselves.
    ///
    /// `SUDO_UID` and `SUDO_GID` count only with an effective user id of 0:
    /// for anyone else they are just text from the environment.
    ///
    /// # Errors
    /// When we are root and the variables make no sense.
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
        Ok(Self::account_of(Account {
            uid,
            gid,
            groups,
            name,
            home,
        }))
    }

    /// The account to act for; `None` when that is whoever we run as.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Makes this thread touch files with the owner's rights only, until the
    /// guard is dropped. One thread does so at a time; do not call it while
    /// holding a guard.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub fn act(&self) -> Result<Option<ActingAs>, PrivilegeError> {
        self.account.as_ref().map(ActingAs::enter).transpose()
    }
}

/// One at a time, for the group list is the whole process's (glibc sets it for
/// every thread), unlike the file system ids.
static ACTING: Mutex<()> = Mutex::new(());

/// This thread acts for an account while this lives. Leaving fsuid 0 also takes
/// the capabilities that override file permissions from this thread
/// (capabilities(7)), and coming back returns them.
#[derive(Debug)]
pub struct ActingAs {
    groups: Vec<Gid>,
    _alone: MutexGuard<'static, ()>,
}

impl ActingAs {
    fn enter(account: &Account) -> Result<Self, PrivilegeError> {
        let refused = || PrivilegeError::Refused { uid: account.uid };
        let alone = ACTING.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = nix::unistd::getgroups().map_err(|_| refused())?;
        nix::unistd::setgroups(&account.groups).map_err(|_| refused())?;
        // From here on the guard puts everything back, also when we give up.
        let guard = Self {
            groups,
            _alone: alone,
        };
        // Neither call tells of failure; asking again does (setfsuid(2)).
        nix::unistd::setfsgid(account.gid);
        nix::unistd::setfsuid(account.uid);
        let group = nix::unistd::setfsgid(account.gid);
        let user = nix::unistd::setfsuid(account.uid);
        if user == account.uid && group == account.gid {
            Ok(guard)
        } else {
            Err(refused())
        }
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        nix::unistd::setfsuid(Uid::effective());
        nix::unistd::setfsgid(Gid::effective());
        // CAP_SETGID is not among what leaving fsuid 0 takes away, so what was
        // allowed on the way in is allowed on the way out.
        let restored = nix::unistd::setgroups(&self.groups);
        debug_assert_eq!(restored, Ok(()));
    }
}

#[cfg(test)]
pub(crate) mod tests;
