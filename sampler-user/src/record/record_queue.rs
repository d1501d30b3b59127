// SPDX-License-Identifier: MIT OR Apache-2.0

//! The queue of records from scans in user space to the recording: what the ring buffer
//! is for the eBPF program. It is bounded; the sender counts a record that finds no room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sampler_common::sample::{RawFrame, SampleHeader};

use crate::capture::bpf::events::{RawSample, WireProblem};

/// Most bytes that the queue holds.
const MOST: usize = 4 << 20;

/// A sample, or why it is none.
pub(super) type QueuedSample = Result<RawSample, WireProblem>;

/// Either end of the queue; clones share its content.
#[derive(Clone, Default)]
pub(super) struct RecordQueue(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// Each with its time.
    samples: VecDeque<(u64, QueuedSample)>,
    bytes: usize,
}

/// Returns how much room a sample takes.
fn size(sample: &QueuedSample) -> usize {
    let frames = sample.as_ref().map_or(0, |sample| sample.frames.len());
    size_of::<SampleHeader>() + frames * size_of::<RawFrame>()
}

impl RecordQueue {
    /// Adds a sample. Returns false when there is no room.
    pub(super) fn push(&self, header: &SampleHeader, frames: &[RawFrame]) -> bool {
        let sample = RawSample::new(*header, frames.to_vec());
        let mut waiting = self.lock();
        let bytes = waiting.bytes.saturating_add(size(&sample));
        if bytes > MOST {
            return false;
        }
        waiting.bytes = bytes;
        waiting.samples.push_back((header.time, sample));
        true
    }

    /// Takes the oldest sample, unless it is younger than `time`.
    pub(super) fn pop_until(&self, time: u64) -> Option<QueuedSample> {
        let mut waiting = self.lock();
        let oldest = waiting.samples.pop_front_if(|(of, _)| *of <= time);
        let (_, sample) = oldest?;
        waiting.bytes -= size(&sample);
        Some(sample)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;

    use super::*;

    fn header(time: u64) -> SampleHeader {
        SampleHeader {
            time,
            ..SampleHeader::zeroed()
        }
    }

    #[test]
    fn samples_come_out_in_order_and_in_time() {
        let queue = RecordQueue::default();
        for time in [5, 9] {
            assert!(queue.push(&header(time), &[]));
        }
        let pop = |until| {
            let sample = queue.pop_until(until)?;
            Some(sample.expect("it is one").header.time)
        };
        assert_eq!((pop(4), pop(5), pop(8)), (None, Some(5), None));
        assert_eq!((pop(u64::MAX), pop(u64::MAX)), (Some(9), None));
    }

    #[test]
    fn it_fills_up_and_empties() {
        let queue = RecordQueue::default();
        let frames = vec![RawFrame::zeroed(); MOST / 4 / size_of::<RawFrame>()];
        for _ in 0..3 {
            assert!(queue.push(&header(1), &frames));
        }
        assert!(!queue.push(&header(2), &frames));
        assert!(queue.push(&header(2), &[]));
        assert!(queue.pop_until(1).is_some());
        assert!(queue.push(&header(3), &frames) && !queue.push(&header(3), &frames));
    }

    #[test]
    fn what_is_no_sample_keeps_its_place() {
        let queue = RecordQueue::default();
        let broken = SampleHeader {
            stop: u32::MAX,
            ..header(5)
        };
        assert!(queue.push(&broken, &[]));
        assert!(queue.pop_until(4).is_none());
        assert!(queue.pop_until(5).is_some_and(|sample| sample.is_err()));
    }
}
