// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a live page asks for: the trace as it grows, and the events.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;

/// What a page asks for; first, what was in the last minute.
const TARGETS: [&str; 2] = ["/api/v1/trace?last=1m&follow=1", "/api/v1/events"];

/// The connections of a page, which take everything at once.
pub(super) struct LivePage {
    streams: Vec<(UnixStream, JoinHandle<u64>)>,
}

impl LivePage {
    /// Asks, and waits until both answers have begun.
    pub(super) fn open(socket: &Path) -> anyhow::Result<Self> {
        let mut streams = Vec::new();
        for target in TARGETS {
            let mut stream = UnixStream::connect(socket)?;
            write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            let mut begin = [0; 12];
            stream.read_exact(&mut begin)?;
            let begin = String::from_utf8_lossy(&begin).into_owned();
            anyhow::ensure!(begin == "HTTP/1.1 200", "{target} is answered by {begin}");
            let reader = stream.try_clone().context("a socket")?;
            streams.push((stream, thread::spawn(move || drain(reader))));
        }
        Ok(Self { streams })
    }

    /// Ends it. Returns how many bytes it has received.
    pub(super) fn close(self) -> u64 {
        let ends = self.streams.into_iter().map(|(stream, reader)| {
            stream.shutdown(Shutdown::Both).ok();
            reader.join().unwrap_or_default()
        });
        ends.sum()
    }
}

fn drain(mut stream: UnixStream) -> u64 {
    let mut bytes = vec![0; 64 << 10];
    let mut sum = 0;
    loop {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return sum,
            Ok(length) => sum += length as u64,
        }
    }
}
