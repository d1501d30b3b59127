// SPDX-License-Identifier: MIT OR Apache-2.0

//! Brings back memory that ticks cannot read because it is paged out: after repeated cuts
//! at one place, and for a tenth of the time at most.
//!
//! Nothing touches the outer frames of a computing thread for hours, so a host short of
//! memory pages them out. The eBPF program samples a thread in an interrupt and cannot
//! wait for a page, so each stack of the thread would be cut there for ever. Reading the
//! memory from user space brings the page back.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sampler_common::layout::FrameLayout;
use sampler_common::memory::UserMemory;
use sampler_common::process::ProcessKey;
use sampler_common::window::Window;

/// How many stacks a place must have cut before it is read.
const CUTS: u32 = 2;
/// How long after a reading a place may have been paged out again.
const AGAIN: Duration = Duration::from_secs(10);
/// The shortest time between two readings. A slow reading is followed by a pause of ten
/// times its duration.
const EVERY: Duration = Duration::from_millis(100);
/// How long a reading may take. What is left is for the next one.
const LONGEST: Duration = Duration::from_millis(50);
/// Most frames of a chain that are read in one go.
const MAX_FRAMES: usize = 2 * sampler_common::sample::MAX_FRAMES;
/// Most places that are remembered; then all are forgotten.
const MAX_PLACES: usize = 4096;
const PAGE: u64 = 4096;

/// Where stacks were cut, and when these places were read.
#[derive(Debug, Default)]
pub(super) struct PagedOut {
    places: FxHashMap<(ProcessKey, u64), CutPlace>,
    next: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct CutPlace {
    cuts: u32,
    read: Option<Instant>,
}

impl PagedOut {
    /// Notes that a stack of `process` was cut at `address`. Returns whether to read
    /// there now, after which [`Self::has_read`] must be called.
    pub(super) fn is_due(&mut self, process: ProcessKey, address: u64, now: Instant) -> bool {
        if self.places.len() >= MAX_PLACES {
            self.places.clear();
        }
        let place = self.places.entry((process, address / PAGE)).or_default();
        place.cuts = place.cuts.saturating_add(1);
        let is_new = place
            .read
            .is_none_or(|read| now.saturating_duration_since(read) >= AGAIN);
        if place.cuts < CUTS || !is_new || self.next.is_some_and(|next| now < next) {
            return false;
        }
        *place = CutPlace {
            cuts: 0,
            read: Some(now),
        };
        true
    }

    /// Notes that a reading which began at `start` is over.
    pub(super) fn has_read(&mut self, start: Instant, now: Instant) {
        let took = now.saturating_duration_since(start);
        self.next = Some(now + EVERY.max(took * 10));
    }

    /// Forgets a process that has ended.
    pub(super) fn forget(&mut self, process: ProcessKey) {
        self.places.retain(|(of, _), _| *of != process);
    }
}

/// Reads the frames of a chain from the one at `address` on, and ignores what they hold.
/// The thread may be running, so some of the frames may be gone.
pub(crate) fn read_frames(memory: &impl UserMemory, layout: &FrameLayout, address: u64) {
    let start = Instant::now();
    let mut frame = Window::zeroed();
    let mut address = address;
    for _ in 0..MAX_FRAMES {
        if frame.load(memory, address, layout.read_size).is_err() {
            return;
        }
        address = frame.u64_at(layout.previous);
        if address == 0 || start.elapsed() > LONGEST {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use sampler_common::memory::MemoryFault;

    use super::*;
    use sampler_cpython::cpython::layout_table::row;
    use sampler_cpython::cpython::version::PythonVersion;

    const PROCESS: ProcessKey = ProcessKey(7);

    #[test]
    fn a_place_is_read_once_after_repeated_cuts() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut paged_out = PagedOut::default();
        assert!(!paged_out.is_due(PROCESS, 0x5008, start));
        assert!(!paged_out.is_due(ProcessKey(8), 0x5008, start));
        assert!(paged_out.is_due(PROCESS, 0x5ff8, start));
        paged_out.has_read(start, start);
        for second in 1..10 {
            assert!(!paged_out.is_due(PROCESS, 0x5008, after(second)));
        }
        assert!(paged_out.is_due(PROCESS, 0x5008, after(10)));
        paged_out.forget(PROCESS);
        assert!(!paged_out.is_due(PROCESS, 0x5008, after(30)));
    }

    #[test]
    fn readings_take_a_tenth_of_the_time_at_most() {
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut paged_out = PagedOut::default();
        let mut due = |page: u64, at| {
            let is_due = (0..CUTS).any(|_| paged_out.is_due(PROCESS, page * PAGE, at));
            if is_due {
                paged_out.has_read(at, at + Duration::from_millis(40));
            }
            is_due
        };
        assert!(due(1, start));
        assert!(!due(2, after(430)));
        assert!(due(2, after(440)));
    }

    #[test]
    fn of_many_places_some_are_forgotten() {
        let now = Instant::now();
        let mut paged_out = PagedOut::default();
        for page in 0..3 * MAX_PLACES as u64 {
            paged_out.is_due(PROCESS, page * PAGE, now);
        }
        assert!(paged_out.places.len() <= MAX_PLACES);
    }

    /// Frames that follow each other endlessly, one on each page.
    struct Endless(RefCell<Vec<u64>>, u16);

    impl UserMemory for Endless {
        fn read_bytes(&self, address: u64, destination: &mut [u8]) -> Result<(), MemoryFault> {
            self.0.borrow_mut().push(address);
            let at = usize::from(self.1);
            let next = address.wrapping_add(PAGE).to_ne_bytes();
            destination
                .get_mut(at..at + 8)
                .expect("a frame")
                .copy_from_slice(&next);
            Ok(())
        }
    }

    #[test]
    fn a_chain_is_read_page_after_page_and_not_for_ever() {
        let row = row(PythonVersion::minor_only(3, 12)).expect("it is supported");
        let layout = &row.layout.frame;
        let memory = Endless(RefCell::default(), layout.previous);
        read_frames(&memory, layout, 0x1000);
        let read = memory.0.into_inner();
        assert!(read.len() > 1 && read.len() <= MAX_FRAMES);
        assert_eq!(read.get(..2), Some(&[0x1000, 0x2000][..]));
    }
}
