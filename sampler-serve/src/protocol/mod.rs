// SPDX-License-Identifier: MIT OR Apache-2.0

//! The protocol between the front, which owns the network, and the recorder, which owns
//! the eBPF programs and the state directory.
//!
//! Both talk over one pair of sockets that keep the boundaries of packets
//! (`SOCK_SEQPACKET`). Whoever started them keeps both ends, so either process can end
//! and be started again with its end of the same pair. A message is JSON, cut into
//! packets (`packet`); the front sends a [`Request`](message::Request) with a number, the
//! recorder a [`Reply`](message::Reply) with the same number, and
//! [events](message::Event) that nobody asked for.

pub mod channel;
pub mod command;
pub mod message;
pub mod packet;
