// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a server could not be asked, and what to do.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group};
use sampler_serve::client::ClientError;
use sampler_trace::convert::error::DestinationError;
use sampler_trace::escape::escape_for_terminal;

use crate::platform::delivery::DeliveryError;
use crate::platform::privileges::PrivilegeError;

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// Capabilities that are not needed could not be dropped.
    #[error("cannot drop privileges that are not needed: {0}")]
    Rights(io::Error),
    /// Nothing can be waited for.
    #[error("cannot wait for a server: {0}")]
    Start(io::Error),
    /// Nobody listens there.
    #[error(
        "no server listens on {path}; start it with `sudo pyebpf serve`, or name its socket with --socket",
        path = path.display()
    )]
    NoServer {
        /// The socket.
        path: PathBuf,
    },
    /// This user may not connect.
    #[error("you may not connect to {path}: {advice}", path = path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
        /// Who may, and how to become one of them.
        advice: String,
    },
    /// The server did not answer, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The output cannot be written as asked for.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The caller of sudo cannot be determined.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// `--follow` is given with a file, which would never be complete.
    #[error("--follow writes to standard output only: use -o -")]
    FollowFile,
    /// The trace was cut off.
    #[error(
        "the server broke off the trace ({0}); no file was created, and standard output is incomplete; the server's log may say why"
    )]
    CutOff(ClientError),
    /// The output cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Destination {
        /// The output.
        path: PathBuf,
        /// What is wrong with it.
        source: DestinationError,
    },
    /// Standard output could not be written to.
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
}

impl CtlError {
    /// Says what to do about a socket that cannot be connected to.
    pub(super) fn explain(self) -> Self {
        let Self::Client(ClientError::Connect { path, source }) = self else {
            return self;
        };
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::NoServer { path },
            io::ErrorKind::PermissionDenied => {
                let advice = advice(group_of(&path).as_deref());
                Self::NotAllowed { path, advice }
            }
            _ => Self::Client(ClientError::Connect { path, source }),
        }
    }
}

/// Who may connect to a socket that this group owns, and how to become one of them.
fn advice(group: Option<&str>) -> String {
    match group {
        Some(group) if group != "root" => format!(
            "only root and members of the group {group} may; use sudo, or become a member with \
             `sudo usermod -aG {group} $USER` and log in again"
        ),
        _ => "only root may; use sudo".into(),
    }
}

/// The group that owns a socket, by name if it has one.
fn group_of(path: &Path) -> Option<String> {
    let gid = std::fs::metadata(path).ok()?.gid();
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    let name = group.map_or_else(|| gid.to_string(), |group| group.name);
    Some(escape_for_terminal(&name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_connected_to_is_explained() {
        let explained = |path: &str, kind: io::ErrorKind| {
            let error = CtlError::Client(ClientError::Connect {
                path: path.into(),
                source: kind.into(),
            });
            error.explain().to_string()
        };
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused] {
            assert_eq!(
                explained("/run/x.sock", kind),
                "no server listens on /run/x.sock; start it with `sudo pyebpf serve`, or name \
                 its socket with --socket"
            );
        }
        // Root's own group lets nobody else in.
        assert_eq!(
            explained("/proc/1/status", io::ErrorKind::PermissionDenied),
            "you may not connect to /proc/1/status: only root may; use sudo"
        );
        let other = explained("/run/x.sock", io::ErrorKind::TimedOut);
        assert!(other.contains("cannot connect to /run/x.sock"), "{other}");
    }

    #[test]
    fn members_of_a_group_are_told_which() {
        assert_eq!(
            advice(Some("profilers")),
            "only root and members of the group profilers may; use sudo, or become a member \
             with `sudo usermod -aG profilers $USER` and log in again"
        );
        assert_eq!(advice(None), "only root may; use sudo");
    }
}
