//! The ring buffer that the kernel side's records come through. It refuses to
//! interpret them.

use std::io;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use crate::alarm::Alarm;

/// Reads records as they come.
pub struct RecordRing {
    ring: AsyncFd<RingBuf<MapData>>,
    alarm: Alarm,
}

impl RecordRing {
    pub(super) fn new(ring: RingBuf<MapData>) -> io::Result<Self> {
        // SAFETY: the ring owns its file descriptor, always answers with that one,
        // and keeps it open until the `AsyncFd` gives it up.
        let ring = unsafe { AsyncFd::register(ring)? };
        let alarm = Alarm::new()?;
        Ok(Self { ring, alarm })
    }

    /// Waits until the kernel side says that records are there, or until
    /// `at_most` has passed: it does not wake us for every one.
    pub async fn wait(&mut self, at_most: Duration) {
        let Self { ring, alarm } = self;
        let called = async {
            if let Ok(mut guard) = ring.readable_mut().await {
                guard.clear_ready();
            }
        };
        tokio::select! {
            () = called => {}
            () = alarm.after(at_most) => {}
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
