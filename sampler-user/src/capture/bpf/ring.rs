// SPDX-License-Identifier: MIT OR Apache-2.0

//! The ring buffer through which the eBPF program sends its records.

use std::io;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use crate::capture::bpf::events::{DecodeError, RawRecord, decode};
use crate::platform::alarm::Alarm;

/// Reads records as they come.
pub struct RecordRing {
    ring: AsyncFd<RingBuf<MapData>>,
    alarm: Alarm,
}

impl RecordRing {
    pub(super) fn new(ring: RingBuf<MapData>) -> io::Result<Self> {
        // SAFETY: the ring owns its file descriptor, always returns the same one, and
        // keeps it open until the `AsyncFd` gives it up.
        let ring = unsafe { AsyncFd::register(ring)? };
        let alarm = Alarm::new()?;
        Ok(Self { ring, alarm })
    }

    /// Waits until the eBPF program announces records, which it does not do for each one,
    /// or until `at_most` has passed.
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

    /// Hands over at most `limit` records that are there, decoded. Returns how many.
    pub fn drain(
        &mut self,
        limit: usize,
        mut take: impl FnMut(Result<RawRecord, DecodeError>),
    ) -> usize {
        let ring = self.ring.get_mut();
        for done in 0..limit {
            match ring.next() {
                Some(record) => take(decode(&record)),
                None => return done,
            }
        }
        limit
    }
}
