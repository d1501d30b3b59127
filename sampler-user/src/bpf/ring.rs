//! The ring buffer that the kernel side's records come through. It refuses to
//! interpret them.

use std::io;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

/// Reads records as they come.
pub struct RecordRing {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl RecordRing {
    pub(super) fn new(ring: RingBuf<MapData>) -> io::Result<Self> {
        // SAFETY: the ring owns its file descriptor, always answers with that one,
        // and keeps it open until the `AsyncFd` gives it up.
        let ring = unsafe { AsyncFd::register(ring)? };
        Ok(Self { ring })
    }

    /// Waits until the kernel side says that records are there, or until
    /// `at_most` has passed: it does not wake us for every one.
    pub async fn wait(&mut self, at_most: Duration) {
        if let Ok(Ok(mut guard)) = tokio::time::timeout(at_most, self.ring.readable_mut()).await {
            guard.clear_ready();
        }
    }

    /// Hands over at most `limit` records that are there, and says how many.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        let ring = self.ring.get_mut();
        for done in 0..limit {
            match ring.next() {
                Some(record) => take(&record),
                None => return done,
            }
        }
        limit
    }
}
