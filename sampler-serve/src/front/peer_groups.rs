// SPDX-License-Identifier: MIT OR Apache-2.0

//! The groups of the process at the other end of a Unix socket. Neither nix nor rustix has a
//! call for them that returns a list.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc::{ERANGE, SO_PEERGROUPS, SOL_SOCKET, getsockopt, socklen_t};

/// As many as most processes have.
const FEW: usize = 32;
/// As many as the kernel allows (`NGROUPS_MAX`).
const MOST: usize = 65_536;

/// The supplementary groups that the other end of a connected Unix socket had when it
/// connected.
///
/// # Errors
/// The kernel does not know them.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    read(socket, FEW)
}

/// Reads them into a list that is long enough for `first`, or as long as the kernel asks for.
fn read(socket: BorrowedFd<'_>, first: usize) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; first];
    loop {
        let bytes = size_of_val(groups.as_slice());
        let mut length = socklen_t::try_from(bytes).map_err(io::Error::other)?;
        // SAFETY: the kernel writes no more than `length` bytes to where the list begins,
        // which has that many, and any bytes are numbers; and it writes one `socklen_t` to
        // `length`. Both live until the call has returned.
        let result = unsafe {
            getsockopt(
                socket.as_raw_fd(),
                SOL_SOCKET,
                SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let error = (result != 0).then(io::Error::last_os_error);
        let count = length as usize / size_of::<u32>();
        match error {
            None => {
                groups.truncate(count);
                return Ok(groups);
            }
            Some(error) if error.raw_os_error() != Some(ERANGE) => return Err(error),
            Some(_) if (groups.len() + 1..=MOST).contains(&count) => groups.resize(count, 0),
            Some(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_other_end_has_the_groups_of_this_process() {
        let (one, _other) = UnixStream::pair().expect("sockets");
        let own = nix::unistd::getgroups().expect("it has some or none");
        let own: Vec<_> = own.into_iter().map(|group| group.as_raw()).collect();
        assert_eq!(peer_groups(one.as_fd()).expect("groups"), own);
        assert_eq!(
            read(one.as_fd(), 0).expect("groups"),
            own,
            "asked for twice"
        );
    }

    #[test]
    fn other_sockets_have_none() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).expect("a connection");
        peer_groups(stream.as_fd()).expect_err("the kernel does not know them");
    }
}
