// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sockets that the server listens on: those that systemd has opened for it, or else
//! those that it binds itself.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use nix::unistd::{Gid, Group, chown};
use tracing::info;

use crate::address::ListenAddress;

/// Read and write for the owner and the group: who may connect.
const MODE: u32 = 0o660;
/// The group that may connect if none is named and it exists.
const USUAL_GROUP: &str = "pyebpf";

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which one.
        address: ListenAddress,
        /// Why.
        source: io::Error,
    },
    /// Another program listens there.
    #[error("another program listens on {path} already", path = path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The group does not exist.
    #[error("there is no group `{0}`; create it, or give another one with --group")]
    Group(String),
    /// What systemd handed over is no socket to listen on.
    #[error("the sockets that the service manager has opened cannot be used: {0}")]
    Inherited(io::Error),
}

/// Returns the sockets, and which of `addresses` they are. The service manager's have
/// precedence, since whoever wrote its configuration opened them for this; then these are
/// none.
pub(super) fn listen<'a>(
    addresses: &'a [ListenAddress],
    group: Option<&str>,
) -> Result<(Vec<OwnedFd>, &'a [ListenAddress]), ListenError> {
    let inherited = inherited().map_err(ListenError::Inherited)?;
    if !inherited.is_empty() {
        info!(
            sockets = inherited.len(),
            "listens on the service manager's sockets instead of its own"
        );
        return Ok((inherited, &[]));
    }
    let gid = group_id(group)?;
    let sockets: Result<_, _> = addresses.iter().map(|address| bind(address, gid)).collect();
    Ok((sockets?, addresses))
}

fn inherited() -> io::Result<Vec<OwnedFd>> {
    let mut given = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..given.len() {
        // A socket of the other kind is an error of the first attempt, which gives it
        // back.
        let socket: Option<OwnedFd> = match given.take_unix_listener(index) {
            Ok(socket) => socket.map(OwnedFd::from),
            Err(_) => given.take_tcp_listener(index)?.map(OwnedFd::from),
        };
        sockets.extend(socket);
    }
    Ok(sockets)
}

fn group_id(name: Option<&str>) -> Result<Option<Gid>, ListenError> {
    let find = |name: &str| Group::from_name(name).ok().flatten().map(|group| group.gid);
    match name {
        None => Ok(find(USUAL_GROUP)),
        Some(name) => match find(name) {
            Some(gid) => Ok(Some(gid)),
            None => Err(ListenError::Group(name.to_owned())),
        },
    }
}

fn bind(address: &ListenAddress, group: Option<Gid>) -> Result<OwnedFd, ListenError> {
    let failed = |source| ListenError::Bind {
        address: address.clone(),
        source,
    };
    match address {
        ListenAddress::Tcp(socket) => Ok(TcpListener::bind(socket).map_err(failed)?.into()),
        ListenAddress::Unix(path) => {
            if UnixStream::connect(path).is_ok() {
                return Err(ListenError::InUse { path: path.clone() });
            }
            Ok(bind_unix(path, group).map_err(failed)?.into())
        }
    }
}

/// Binds a socket that nobody listens on. What an ended server has left there is
/// replaced; anything that is no socket stays.
fn bind_unix(path: &Path, group: Option<Gid>) -> io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let is_socket = |path: &Path| {
        let metadata = path.symlink_metadata();
        metadata.is_ok_and(|metadata| metadata.file_type().is_socket())
    };
    if is_socket(path) {
        std::fs::remove_file(path)?;
    }
    // Nobody may connect before it has its mode and group.
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o777));
    let bound = UnixListener::bind(path);
    nix::sys::stat::umask(before);
    let listener = bound?;
    if let Some(group) = group {
        chown(path, None, Some(group))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_ended_server_left_is_replaced_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run").join("a.sock");
        let address = ListenAddress::Unix(path.clone());
        let first = listen(std::slice::from_ref(&address), None).expect("bound");
        let mode = path.metadata().expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let used = listen(std::slice::from_ref(&address), None);
        assert!(matches!(used, Err(ListenError::InUse { .. })));
        drop(first);
        listen(std::slice::from_ref(&address), None).expect("bound again");
        let file = directory.path().join("file");
        std::fs::write(&file, b"mine").expect("a file");
        assert!(listen(&[ListenAddress::Unix(file.clone())], None).is_err());
        assert_eq!(std::fs::read(file).expect("still there"), b"mine");
    }

    #[test]
    fn a_group_that_does_not_exist_is_an_error() {
        let error = listen(&[], Some("no-such-group-of-ours")).expect_err("none");
        assert!(error.to_string().contains("no-such-group-of-ours"));
    }
}
