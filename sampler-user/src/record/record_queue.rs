// SPDX-License-Identifier: MIT OR Apache-2.0

//! The queue of records from scans in user space to the recording: what the ring buffer
//! is for the eBPF program. It is bounded; the sender counts a record that finds no room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes that the queue holds.
const MOST: usize = 4 << 20;

/// Either end of the queue; clones share its content.
#[derive(Clone, Default)]
pub(super) struct RecordQueue(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    records: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl RecordQueue {
    /// Adds a record. Returns false when there is no room.
    pub(super) fn push(&self, record: &[u8]) -> bool {
        let mut waiting = self.lock();
        if waiting.bytes.saturating_add(record.len()) > MOST {
            return false;
        }
        waiting.bytes += record.len();
        waiting.records.push_back(record.into());
        true
    }

    /// Takes the oldest record, unless it is younger than `time`.
    pub(super) fn pop_until(&self, time: u64) -> Option<Box<[u8]>> {
        let mut waiting = self.lock();
        let first = waiting.records.front()?;
        if time_of(first).is_some_and(|it| it > time) {
            return None;
        }
        let first = waiting.records.pop_front()?;
        waiting.bytes -= first.len();
        Some(first)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns when a sample was taken or a process did something; `None` for the description
/// of a code object, and for what is no record.
pub(super) fn time_of(record: &[u8]) -> Option<u64> {
    use sampler_common::sample::RecordKind;

    let (kind, _) = record.split_first_chunk()?;
    match RecordKind::from_wire(u32::from_ne_bytes(*kind))? {
        RecordKind::Sample | RecordKind::Lifecycle => {
            let (time, _) = record.get(8..)?.split_first_chunk()?;
            Some(u64::from_ne_bytes(*time))
        }
        RecordKind::Code => None,
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use sampler_common::lifecycle::LifecycleRecord;
    use sampler_common::sample::{RecordKind, SampleHeader};

    use super::*;

    fn sample(time: u64) -> SampleHeader {
        SampleHeader {
            kind: RecordKind::Sample as u32,
            time,
            ..SampleHeader::zeroed()
        }
    }

    #[test]
    fn records_come_out_in_order_and_in_time() {
        let queue = RecordQueue::default();
        for time in [5, 9] {
            assert!(queue.push(bytemuck::bytes_of(&sample(time))));
        }
        let pop = |until| queue.pop_until(until).and_then(|it| time_of(&it));
        assert_eq!((pop(4), pop(5), pop(8)), (None, Some(5), None));
        assert_eq!((pop(u64::MAX), pop(u64::MAX)), (Some(9), None));
    }

    #[test]
    fn it_fills_up_and_empties() {
        let queue = RecordQueue::default();
        let record = vec![0; MOST / 4];
        for _ in 0..4 {
            assert!(queue.push(&record));
        }
        assert!(!queue.push(&[0]));
        assert!(queue.pop_until(0).is_some());
        assert!(queue.push(&record) && !queue.push(&[0]));
    }

    #[test]
    fn records_of_two_kinds_have_a_time() {
        let exit = LifecycleRecord {
            kind: RecordKind::Lifecycle as u32,
            time: 7,
            ..LifecycleRecord::zeroed()
        };
        assert_eq!(time_of(bytemuck::bytes_of(&exit)), Some(7));
        assert_eq!(time_of(bytemuck::bytes_of(&sample(3))), Some(3));
        assert_eq!(time_of(&[2, 0, 0, 0, 1, 1, 1, 1]), None);
        assert_eq!(time_of(&[1, 0, 0, 0]), None);
        assert_eq!(time_of(&[]), None);
    }
}
