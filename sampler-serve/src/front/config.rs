// SPDX-License-Identifier: MIT OR Apache-2.0

//! How the front is set up, by whoever starts it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::front::authorization::Tokens;

/// The configuration of the front.
#[derive(Debug)]
pub struct FrontConfig {
    /// The sockets that clients connect to.
    pub listeners: Vec<Listener>,
    /// The front's end of the pair of sockets to the recorder (`SOCK_SEQPACKET`).
    pub control: OwnedFd,
    /// The state directory, open for reading.
    pub state_dir: OwnedFd,
    /// The tokens of TCP clients. Without one, nobody is let in over TCP.
    pub tokens: Tokens,
    /// Names that the server answers to, besides `localhost`, loopback addresses and the
    /// addresses that it listens on.
    pub allowed_hosts: Vec<String>,
    /// Whether source lines are sent over TCP.
    pub source_over_tcp: bool,
    /// The live page, an HTML document.
    pub page: &'static [u8],
    /// What the server says about itself.
    pub about: About,
    /// Limits of number, size and time.
    pub limits: Limits,
}

/// A socket that is already bound and listening.
#[derive(Debug)]
pub enum Listener {
    /// A Unix socket. The other end is known by its credentials.
    Unix {
        /// The socket.
        listener: UnixListener,
        /// The group that owns the socket: its members see everything.
        group: u32,
    },
    /// A TCP socket. Clients always need a token.
    Tcp(TcpListener),
}

/// What the server says about itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The program and its version, such as `pyebpf 0.1.0`.
    pub program: String,
    /// The name of the host.
    pub host: String,
    /// The command line that the server was started with.
    pub command: Vec<String>,
    /// How long chunks are kept, in seconds.
    pub keep_s: u64,
    /// The maximum size of the state directory, in bytes.
    pub max_bytes: u64,
}

/// Limits of number, size and time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time. A further one is answered with 503 and closed.
    pub connections: usize,
    /// Connections of one user (Unix socket) or one address (TCP).
    pub connections_of_peer: usize,
    /// How long a request's head may take, and how long a connection may be idle.
    pub head: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// How long a request's body may take.
    pub body: Duration,
    /// How long an answer other than a stream may take.
    pub request: Duration,
    /// How long a client may go without reading any of an answer.
    pub stall: Duration,
    /// Streams at a time: traces, events, profiles.
    pub streams: usize,
    /// Streams at a time of one user or address.
    pub streams_of_peer: usize,
    /// How long a stream that follows the recording may last.
    pub stream: Duration,
    /// Traces that are converted at a time.
    pub conversions: usize,
    /// Dumps at a time.
    pub dumps: usize,
    /// How long a request waits for its turn to convert.
    pub turn: Duration,
    /// Bytes of the chunks that one conversion reads: it has the trace in memory.
    pub conversion_bytes: u64,
    /// Bytes of memory that the tables of a trace may need while it is joined.
    pub joined_bytes: usize,
    /// The longest profile of `/debug/pprof/profile`.
    pub profile: Duration,
    /// How long the recorder may take for an answer.
    pub answer: Duration,
    /// How long the recorder may take for the stacks of a process.
    pub dump: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: 256,
            connections_of_peer: 128,
            head: seconds(10),
            head_bytes: 16 << 10,
            body_bytes: 64 << 10,
            body: seconds(10),
            request: seconds(30),
            stall: seconds(30),
            streams: 64,
            streams_of_peer: 32,
            stream: seconds(86_400),
            conversions: 2,
            dumps: 2,
            turn: seconds(20),
            conversion_bytes: 64 << 20,
            joined_bytes: 128 << 20,
            profile: seconds(600),
            answer: seconds(5),
            dump: seconds(20),
        }
    }
}
