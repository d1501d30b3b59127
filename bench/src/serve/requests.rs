// SPDX-License-Identifier: MIT OR Apache-2.0

//! Clients that ask as fast as they are answered.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How many clients ask at a time.
const CLIENTS: usize = 4;
/// What each asks for, one after the other: what the recorder is asked as well, what is read
/// from the disk, and what is converted.
const TARGETS: [&str; 5] = [
    "/api/v1/status",
    "/api/v1/processes",
    "/metrics",
    "/api/v1/trace?last=10s",
    "/api/v1/trace?last=10s&format=folded",
];

/// The clients; dropping this ends them.
pub(super) struct Requests {
    ends: Arc<AtomicBool>,
    clients: Vec<JoinHandle<anyhow::Result<u64>>>,
    began: Instant,
}

/// What they asked.
pub(super) struct Asked {
    pub(super) answered: u64,
    pub(super) took: Duration,
}

impl Requests {
    /// Begins to ask.
    pub(super) fn begin(socket: &Path) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (ends, socket) = (ends.clone(), socket.to_owned());
            thread::spawn(move || ask_until(&ends, &socket))
        };
        Self {
            clients: (0..CLIENTS).map(client).collect(),
            ends,
            began: Instant::now(),
        }
    }

    /// Ends it. An answer that was none is an error.
    pub(super) fn end(mut self) -> anyhow::Result<Asked> {
        self.ends.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for client in self.clients.drain(..) {
            let outcome = client.join();
            answered += outcome.map_err(|_| anyhow::anyhow!("a client has panicked"))??;
        }
        let took = self.began.elapsed();
        Ok(Asked { answered, took })
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

fn ask_until(ends: &AtomicBool, socket: &PathBuf) -> anyhow::Result<u64> {
    let mut answered = 0;
    for target in TARGETS.iter().cycle() {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let mut stream = UnixStream::connect(socket)?;
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context(*target)?;
        let begin = String::from_utf8_lossy(answer.get(..12).unwrap_or_default()).into_owned();
        anyhow::ensure!(begin == "HTTP/1.1 200", "{target} is answered by {begin}");
        answered += 1;
    }
    Ok(answered)
}
