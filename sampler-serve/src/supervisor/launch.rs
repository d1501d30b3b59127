// SPDX-License-Identifier: MIT OR Apache-2.0

//! The socket between the supervisor and a process that it starts, which has it as its
//! standard input. The supervisor sends descriptors once; the process says that it is
//! ready and then, now and then, that it is alive. When the socket ends, the supervisor
//! has ended.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// The most descriptors that one message can carry (`SCM_MAX_FD`,
/// include/net/scm.h).
pub(super) const MOST_DESCRIPTORS: usize = 253;
/// What accompanies the descriptors.
const DESCRIPTORS: &[u8] = b"descriptors";

/// What a process reports about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is ready.
    Ready,
    /// It is alive.
    Alive,
}

impl Word {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Ready => b"ready",
            Self::Alive => b"alive",
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        [Self::Ready, Self::Alive]
            .into_iter()
            .find(|word| word.bytes() == bytes)
    }
}

/// Sends descriptors, which stay open here as well.
pub(super) fn send_descriptors(
    socket: impl AsFd,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("more sockets than one message can carry"));
    }
    let data = [IoSlice::new(DESCRIPTORS)];
    rustix::net::sendmsg(socket, &data, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The end of the process that was started.
#[derive(Debug)]
pub struct LaunchSocket {
    socket: UnixDatagram,
}

impl LaunchSocket {
    /// Takes over the standard input of a process that the supervisor started.
    ///
    /// # Errors
    /// There is none.
    pub fn from_standard_input() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self {
            socket: socket.into(),
        })
    }

    /// Waits for the descriptors.
    ///
    /// # Errors
    /// The standard input is something else, or the supervisor has ended.
    pub fn receive_descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let mut space =
            vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut data = [0; 2 * DESCRIPTORS.len()];
        let received = rustix::net::recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut data)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        let is_whole = !received.flags.contains(ReturnFlags::CTRUNC);
        if is_whole && data.get(..received.bytes) == Some(DESCRIPTORS) {
            Ok(descriptors)
        } else {
            Err(io::Error::other(
                "this part of the server is started by `pyebpf serve` alone",
            ))
        }
    }

    /// Reports something to the supervisor, without waiting.
    pub fn say(&self, word: Word) {
        // What it does not hear it does not miss: the next word comes soon.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::send(&self.socket, word.bytes(), flags).ok();
    }

    /// Returns the socket once more, to wait for its end: nothing else arrives on it.
    ///
    /// # Errors
    /// As `dup(2)`.
    pub fn watch(&self) -> io::Result<UnixDatagram> {
        let socket = self.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// Returns the socket, on which nothing arrives but its end.
    #[must_use]
    pub fn into_socket(self) -> UnixDatagram {
        self.socket
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, LaunchSocket) {
        let flags = SocketFlags::CLOEXEC;
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("sockets");
        (
            one,
            LaunchSocket {
                socket: other.into(),
            },
        )
    }

    #[test]
    fn descriptors_arrive_in_their_order() {
        let (supervisor, started) = pair();
        let pipes: Vec<_> = (0..3).map(|_| io::pipe().expect("a pipe")).collect();
        let readers: Vec<_> = pipes.iter().map(|(reader, _)| reader.as_fd()).collect();
        send_descriptors(&supervisor, &readers).expect("sent");
        let received = started.receive_descriptors().expect("received");
        for ((index, (_, mut writer)), descriptor) in (0..).zip(pipes).zip(received) {
            writer.write_all(&[index]).expect("room");
            let mut byte = [9];
            File::from(descriptor)
                .read_exact(&mut byte)
                .expect("a byte");
            assert_eq!(byte, [index]);
        }
    }

    #[test]
    fn anything_else_is_no_supervisor() {
        let (supervisor, started) = pair();
        rustix::io::write(&supervisor, b"hello").expect("sent");
        assert!(started.receive_descriptors().is_err());
        drop(supervisor);
        assert!(started.receive_descriptors().is_err());
    }

    #[test]
    fn words_arrive_and_do_not_wait_for_anybody() {
        let (supervisor, started) = pair();
        for _ in 0..100_000 {
            started.say(Word::Alive);
        }
        let mut bytes = [0; 64];
        let length = rustix::io::read(&supervisor, &mut bytes).expect("a word");
        assert_eq!(Word::from_bytes(&bytes[..length]), Some(Word::Alive));
        drop(supervisor);
        started.say(Word::Ready);
    }
}
