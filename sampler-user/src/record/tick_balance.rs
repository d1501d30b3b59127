// SPDX-License-Identifier: MIT OR Apache-2.0

//! Subtracts the time that ticks account for from the time that scans from user space
//! report, because such a scan cannot see ticks. The eBPF program does the same for its
//! own scans (`sampler-ebpf/src/off_cpu.rs`).

use sampler_trace::model::identifiers::TrackId;

/// By track, the time of ticks that was not subtracted from a scan yet, in nanoseconds.
#[derive(Default)]
pub(super) struct TickBalance(Vec<u64>);

impl TickBalance {
    /// Adds a tick that has sampled the thread and accounts for `nanoseconds`.
    pub(super) fn tick(&mut self, track: TrackId, nanoseconds: u64) {
        let ahead = self.of(track);
        *ahead = ahead.saturating_add(nanoseconds);
    }

    /// Returns what is left of the times that a scan reports for a thread, in
    /// nanoseconds: the time since the thread's previous record, and the time of the scan
    /// that this record is from.
    pub(super) fn left(&mut self, track: TrackId, (before, scan): (u64, u64)) -> (u64, u64) {
        let ahead = self.of(track);
        let of_before = before.min(*ahead);
        let of_scan = scan.min(*ahead - of_before);
        *ahead -= of_before + of_scan;
        (before - of_before, scan - of_scan)
    }

    /// Returns the time of ticks of a thread that was not subtracted yet, in nanoseconds.
    pub(super) fn ahead(&self, track: TrackId) -> u64 {
        self.0.get(track.index()).copied().unwrap_or(0)
    }

    fn of(&mut self, track: TrackId) -> &mut u64 {
        let number = track.index();
        if self.0.len() <= number {
            self.0.resize(number + 1, 0);
        }
        &mut self.0[number]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_and_ticks_stand_for_all_of_the_time_and_no_more() {
        let [one, other] = [0, 5].map(TrackId);
        let mut balance = TickBalance::default();
        assert_eq!(balance.left(other, (30, 10)), (30, 10));
        balance.tick(other, 10);
        balance.tick(other, 10);
        assert_eq!(balance.left(one, (0, 10)), (0, 10));
        // Three scans found it running, and two of them had a tick.
        assert_eq!(balance.left(other, (30, 10)), (10, 10));
        // A tick that came late is subtracted from the scan after it.
        balance.tick(other, 20);
        assert_eq!(balance.left(other, (0, 10)), (0, 0));
        assert_eq!(balance.left(other, (0, 20)), (0, 10));
    }
}
