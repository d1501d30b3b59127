// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a thread writes what a client takes. The thread waits for the client, but not for
//! one that is too slow: it would keep others from a conversion.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::front::body::Pieces;

/// How many bytes make a piece.
const PIECE: usize = 64 << 10;
/// A client has to take so many bytes a second, after a time to begin with.
const SLOWEST: f64 = 256.0 * 1024.0;

/// Where a thread writes.
#[derive(Debug)]
pub(crate) struct Outlet {
    pieces: Pieces,
    runtime: Handle,
    buffer: Vec<u8>,
    /// How long all waiting may take, besides what the bytes sent give.
    patience: Duration,
    waited: Duration,
    sent: u64,
}

impl Outlet {
    /// Writes into a stream, and waits for `patience` and the time that a slow but decent
    /// client takes.
    #[must_use]
    pub(crate) fn new(pieces: Pieces, runtime: Handle, patience: Duration) -> Self {
        Self {
            pieces,
            runtime,
            buffer: Vec::new(),
            patience,
            waited: Duration::ZERO,
            sent: 0,
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.buffer);
        let length = piece.len() as u64;
        let allowed = self.patience + Duration::from_secs_f64(self.sent as f64 / SLOWEST);
        let left = allowed.saturating_sub(self.waited);
        let began = Instant::now();
        let sending = async { timeout(left, self.pieces.send(piece)).await };
        let sent = self.runtime.block_on(sending);
        self.waited += began.elapsed();
        self.sent += length;
        match sent {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Completes the stream.
    ///
    /// # Errors
    /// The client is gone, or too slow.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.send()?;
        self.runtime.block_on(self.pieces.end());
        Ok(())
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
