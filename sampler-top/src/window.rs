// SPDX-License-Identifier: MIT OR Apache-2.0

//! Adds up what threads did during the last seconds of a trace that grows.
//!
//! Running time is what the samples stand for. What they leave of a thread's time goes to
//! its waiting rows by their lengths, as in every other sum of a trace.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::row::{RowChange, State};

/// Segments that are closer than this part of a window are added up.
const MOST_BUCKETS: u32 = 100;
/// How many sums a window has at most, about 100 MB. One with more becomes shorter.
const MOST_ENTRIES: usize = 2_000_000;

/// What a thread does: its stack and its state.
pub type Doing = (StackId, State);

/// The last seconds of a trace.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    length: Duration,
    buckets: VecDeque<Bucket>,
    /// What each thread did last, by its number.
    latest: Vec<Latest>,
    /// Rows of the segment that is being read, by thread.
    arrived: FxHashMap<TrackId, Vec<RowChange>>,
    until: KernelTime,
}

/// What one segment has added.
#[derive(Clone, Debug)]
struct Bucket {
    from: KernelTime,
    to: KernelTime,
    times: FxHashMap<(TrackId, Doing), u64>,
}

/// What a thread did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Its stack.
    pub stack: StackId,
    /// Its state; [`State::None`] if nothing is known of it or it has ended.
    pub state: State,
    /// Since when.
    pub since: KernelTime,
}

impl Bucket {
    fn add(&mut self, to: KernelTime, times: FxHashMap<(TrackId, Doing), u64>) {
        self.to = to;
        for (key, time) in times {
            let sum = self.times.entry(key).or_default();
            *sum = sum.saturating_add(time);
        }
    }
}

impl Latest {
    const UNKNOWN: Self = Self {
        stack: StackId::EMPTY,
        state: State::None,
        since: KernelTime(0),
    };
}

impl SlidingWindow {
    /// A window of this length over a trace that begins at `start`.
    #[must_use]
    pub fn new(length: Duration, start: KernelTime) -> Self {
        Self {
            length,
            buckets: VecDeque::new(),
            latest: Vec::new(),
            arrived: FxHashMap::default(),
            until: start,
        }
    }

    /// Takes a row of the segment that is being read.
    pub fn take(&mut self, row: RowChange) {
        self.arrived.entry(row.track).or_default().push(row);
    }

    /// Ends the segment: its rows are complete up to `until`.
    pub fn close(&mut self, until: KernelTime) {
        let (from, to) = (self.until, until.max(self.until));
        let mut times = FxHashMap::default();
        let arrived = std::mem::take(&mut self.arrived);
        let highest = arrived.keys().map(|track| track.index() + 1).max();
        if let Some(highest) = highest.filter(|highest| *highest > self.latest.len()) {
            self.latest.resize(highest, Latest::UNKNOWN);
        }
        for (number, latest) in (0..).zip(&mut self.latest) {
            let track = TrackId(number);
            let rows = arrived.get(&track).map_or(&[][..], Vec::as_slice);
            if rows.is_empty() && latest.state == State::None {
                continue;
            }
            add_up(track, latest, rows, (from, to), &mut times);
        }
        self.until = to;
        match self.buckets.back_mut() {
            // However many segments a moment has, they take the memory of one.
            Some(last)
                if to.since(last.from) < self.length / MOST_BUCKETS
                    && last.times.len() < MOST_ENTRIES =>
            {
                last.add(to, times);
            }
            _ => self.buckets.push_back(Bucket { from, to, times }),
        }
        // A window is at least as long as was asked for, if there is so much.
        while let Some(next) = self.buckets.get(1)
            && (self.covers(next.from) || self.entries() > MOST_ENTRIES)
        {
            self.buckets.pop_front();
        }
    }

    fn entries(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.times.len()).sum()
    }

    fn covers(&self, from: KernelTime) -> bool {
        self.until.since(from) >= self.length
    }

    /// Returns how long the window is by now.
    #[must_use]
    pub fn seen(&self) -> Duration {
        let first = self.buckets.front().map_or(self.until, |first| first.from);
        let last = self.buckets.back().map_or(self.until, |last| last.to);
        last.since(first)
    }

    /// Returns the end of what has arrived.
    #[must_use]
    pub fn until(&self) -> KernelTime {
        self.until
    }

    /// Returns what each thread did, and for how many nanoseconds of the window.
    #[must_use]
    pub fn times(&self) -> FxHashMap<(TrackId, Doing), u64> {
        let mut sums = FxHashMap::default();
        for (key, time) in self.buckets.iter().flat_map(|bucket| &bucket.times) {
            let sum: &mut u64 = sums.entry(*key).or_default();
            *sum = sum.saturating_add(*time);
        }
        sums
    }

    /// Returns what a thread did last.
    #[must_use]
    pub fn latest(&self, track: TrackId) -> Latest {
        let latest = self.latest.get(track.index());
        latest.copied().unwrap_or(Latest::UNKNOWN)
    }
}

/// Adds up what a thread did from `span.0` to `span.1`.
fn add_up(
    track: TrackId,
    latest: &mut Latest,
    rows: &[RowChange],
    span: (KernelTime, KernelTime),
    times: &mut FxHashMap<(TrackId, Doing), u64>,
) {
    let mut running = 0;
    let mut waiting: Vec<(Doing, u64)> = Vec::new();
    let mut wait = |doing: Doing, from: KernelTime, to: KernelTime| {
        if !matches!(doing.1, State::Running | State::None) {
            let length = to.0.saturating_sub(from.0.max(span.0.0));
            waiting.push((doing, length));
        }
    };
    for row in rows {
        wait((latest.stack, latest.state), latest.since, row.time);
        if (latest.stack, latest.state) != (row.stack, row.state) {
            *latest = Latest {
                stack: row.stack,
                state: row.state,
                since: row.time,
            };
        }
        if row.state == State::Running {
            let time = row.weight.nanoseconds();
            running = time.saturating_add(running);
            let sum = times.entry((track, (row.stack, row.state))).or_default();
            *sum = time.saturating_add(*sum);
        }
    }
    wait((latest.stack, latest.state), latest.since, span.1);
    let lengths = waiting.iter().map(|(_, length)| *length);
    let lengths = lengths.fold(0, u64::saturating_add);
    let left = span.1.0.saturating_sub(span.0.0).saturating_sub(running);
    for (doing, length) in waiting.into_iter().filter(|(_, length)| *length > 0) {
        let share = u128::from(left.min(lengths)) * u128::from(length) / u128::from(lengths);
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        let sum = times.entry((track, doing)).or_default();
        *sum = share.saturating_add(*sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sampler_trace::model::row::Weight;

    const SECOND: u64 = 1_000_000_000;

    fn row(time: u64, stack: u32, state: State, samples: u64) -> RowChange {
        RowChange {
            track: TrackId(0),
            time: KernelTime(time),
            stack: StackId(stack),
            state,
            weight: Weight::of_samples(SECOND / 10, samples),
        }
    }

    fn window() -> SlidingWindow {
        SlidingWindow::new(Duration::from_secs(4), KernelTime(0))
    }

    fn time(window: &SlidingWindow, stack: u32, state: State) -> u64 {
        let times = window.times();
        let key = (TrackId(0), (StackId(stack), state));
        times.get(&key).copied().unwrap_or_default()
    }

    #[test]
    fn running_time_is_what_samples_stand_for_and_waiting_what_they_leave() {
        let mut window = window();
        // Drawn as running for a second, but only half of the ticks found it so.
        window.take(row(0, 1, State::Running, 5));
        window.take(row(SECOND, 2, State::Io, 0));
        window.close(KernelTime(2 * SECOND));
        assert_eq!(time(&window, 1, State::Running), SECOND / 2);
        assert_eq!(time(&window, 2, State::Io), SECOND);
        // It goes on waiting, and nothing arrives of it.
        window.close(KernelTime(3 * SECOND));
        assert_eq!(time(&window, 2, State::Io), 2 * SECOND);
        let latest = window.latest(TrackId(0));
        assert_eq!(
            (latest.stack, latest.since),
            (StackId(2), KernelTime(SECOND))
        );
    }

    #[test]
    fn what_is_older_than_the_window_leaves_it() {
        let mut window = window();
        for second in 0..10 {
            window.take(row(second * SECOND, 1, State::Running, 10));
            window.close(KernelTime((second + 1) * SECOND));
        }
        assert_eq!(window.seen(), Duration::from_secs(4));
        assert_eq!(time(&window, 1, State::Running), 4 * SECOND);
    }

    #[test]
    fn segments_of_one_moment_take_the_memory_of_one() {
        let mut window = window();
        for _ in 0..1000 {
            window.take(row(0, 1, State::Running, 1));
            window.close(KernelTime(0));
        }
        assert_eq!(window.buckets.len(), 1);
        assert_eq!(time(&window, 1, State::Running), 100 * SECOND);
    }

    #[test]
    fn a_thread_that_has_ended_has_no_time() {
        let mut window = window();
        window.take(row(0, 1, State::Lock, 0));
        window.take(row(SECOND, 0, State::None, 0));
        window.close(KernelTime(2 * SECOND));
        window.close(KernelTime(3 * SECOND));
        assert_eq!(time(&window, 1, State::Lock), SECOND);
        assert_eq!(window.latest(TrackId(0)).state, State::None);
    }
}
