// SPDX-License-Identifier: MIT OR Apache-2.0

//! One end of the pair of sockets between front and recorder. Sending never waits: what
//! does not fit is queued up to a bound, and beyond that it is dropped and counted.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use crate::protocol::packet::{Assembler, LONGEST_MESSAGE, LONGEST_PACKET, TooLong, packets};

/// How many bytes may wait to be sent: one message of the greatest length and some.
const LONGEST_QUEUE: usize = 2 * LONGEST_MESSAGE;

/// One end.
#[derive(Debug)]
pub struct Channel {
    socket: UnixDatagram,
    assembler: Assembler,
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    next_number: u32,
    unsent: u64,
    packet: Vec<u8>,
}

impl Channel {
    /// Takes over an end of the pair and makes it non-blocking.
    ///
    /// # Errors
    /// The descriptor cannot be waited for, or there is no runtime.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        // The type is named after datagrams, and all that it does with them holds for
        // packets as well.
        let socket = std::os::unix::net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: UnixDatagram::from_std(socket)?,
            assembler: Assembler::default(),
            queue: VecDeque::new(),
            queued: 0,
            next_number: 0,
            unsent: 0,
            packet: vec![0; LONGEST_PACKET],
        })
    }

    /// Drops the packets that were sent to whoever had this end before. Returns how many
    /// there were.
    ///
    /// # Errors
    /// Those of `recv(2)`.
    pub fn discard_backlog(socket: impl AsFd) -> io::Result<usize> {
        let mut packet = vec![0; LONGEST_PACKET];
        for number in 0.. {
            match rustix::net::recv(&socket, &mut packet, RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::AGAIN) => return Ok(number),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(0)
    }

    /// Sends a message, or queues it if the other end does not read just now; then
    /// [`receive`](Self::receive) sends it. A message for which the queue has no room is
    /// dropped and counted.
    ///
    /// # Errors
    /// [`TooLong`]. Nothing was sent.
    pub fn send(&mut self, message: &[u8]) -> Result<(), TooLong> {
        let packets = packets(self.next_number, message)?;
        self.next_number = self.next_number.wrapping_add(1);
        let length: usize = packets.iter().map(Vec::len).sum();
        if self.queued + length > LONGEST_QUEUE {
            self.unsent += 1;
            return Ok(());
        }
        self.queued += length;
        self.queue.extend(packets);
        self.send_queued();
        Ok(())
    }

    fn send_queued(&mut self) {
        while let Some(packet) = self.queue.front() {
            match self.socket.try_send(packet) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // All holders of the other end are gone.
                Err(_) => self.unsent += 1,
                Ok(_) => {}
            }
            self.queued -= packet.len();
            self.queue.pop_front();
        }
    }

    /// Waits for a message, and sends what is queued meanwhile. Can be cancelled: no
    /// message is lost.
    ///
    /// # Errors
    /// The socket failed; [`io::ErrorKind::UnexpectedEof`] if all holders of the other
    /// end have closed it.
    pub async fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let interest = if self.queue.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            let ready = self.socket.ready(interest).await?;
            if ready.is_writable() {
                self.send_queued();
            }
            if let Some(message) = self.read()? {
                return Ok(message);
            }
        }
    }

    /// Reads packets until a message is complete or nothing is there.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.socket.try_recv(&mut self.packet) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
                // No packet is empty, so this is the end.
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    if let Some(message) = self.assembler.take(&self.packet[..length]) {
                        return Ok(Some(message));
                    }
                }
            }
        }
    }

    /// Returns how many messages were dropped: those that could not be sent, and those of
    /// which parts were missing.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.unsent + self.assembler.dropped()
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).expect("sockets")
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime")
            .block_on(test)
    }

    #[test]
    fn long_messages_arrive_though_the_socket_holds_less() {
        run(async {
            let (one, other) = pair();
            let mut front = Channel::new(one).expect("a channel");
            let mut recorder = Channel::new(other).expect("a channel");
            let message = vec![7; 5 << 20];
            front.send(&message).expect("short enough");
            front.send(b"second").expect("short enough");
            let (received, _) = tokio::join!(
                async {
                    let first = recorder.receive().await.expect("a message");
                    let second = recorder.receive().await.expect("a message");
                    recorder.send(b"done").expect("short enough");
                    (first, second)
                },
                front.receive(),
            );
            assert!(received.0 == message && received.1 == b"second");
        });
    }

    #[test]
    fn sending_never_waits_and_says_what_it_dropped() {
        run(async {
            let (one, _other) = pair();
            let mut channel = Channel::new(one).expect("a channel");
            for _ in 0..6 {
                channel.send(&vec![0; 5 << 20]).expect("short enough");
            }
            assert!(channel.dropped() >= 2 && channel.queued <= LONGEST_QUEUE);
        });
    }

    #[test]
    fn what_was_meant_for_an_earlier_process_can_be_discarded() {
        let (one, other) = pair();
        for _ in 0..3 {
            rustix::io::write(&one, b"a packet").expect("room");
        }
        assert_eq!(Channel::discard_backlog(&other).expect("read"), 3);
        assert_eq!(Channel::discard_backlog(&other).expect("read"), 0);
    }

    #[test]
    fn an_end_can_be_taken_over_by_another_process() {
        run(async {
            let (one, other) = pair();
            let kept = other.try_clone().expect("a descriptor");
            let mut front = Channel::new(one).expect("a channel");
            let first = Channel::new(other).expect("a channel");
            drop(first);
            front.send(b"to the next").expect("short enough");
            let mut second = Channel::new(kept).expect("a channel");
            let (end, ()) = tokio::join!(front.receive(), async {
                assert_eq!(second.receive().await.expect("a message"), b"to the next");
                drop(second);
            });
            let end = end.expect_err("nobody is left");
            assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        });
    }
}
