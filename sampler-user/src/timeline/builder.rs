//! From samples to changes: a row when a thread's stack or state changed, and
//! a gap when it was not seen. It refuses to know what a stack holds.

use std::time::Duration;

use super::{KernelTime, RowChange, StackId, State, TrackId};

/// A thread is gone when it was not seen for this many half periods: two
/// samples are missing, and a tick may come half a period late because each
/// CPU ticks in its own phase.
const GAP_HALF_PERIODS: u32 = 5;

#[derive(Clone, Copy, Debug, Default)]
struct LastSeen {
    /// The last sample, or the last change where that is later. Nothing is
    /// emitted before it.
    time: KernelTime,
    stack: StackId,
    state: State,
}

/// Turns samples into [`RowChange`]s.
///
/// Samples of one thread must come nearly in order. Through a ring that all
/// CPUs write, two samples of a thread that moved can change places; such a
/// sample, late by at most one period, counts as taken at the time of the one
/// before it. One that is later still is dropped and counted.
#[derive(Debug)]
pub struct TimelineBuilder {
    period: Duration,
    /// How long a thread may go unseen; `None` where each is seen at each tick.
    patience: Option<Duration>,
    seen: Vec<LastSeen>,
    late: u64,
}

impl TimelineBuilder {
    /// For samples of what runs, one each `period`: a thread that misses two
    /// gets the empty stack, from one period after its last sample.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        let patience = Some(period.saturating_mul(GAP_HALF_PERIODS) / 2);
        Self {
            period,
            patience,
            seen: Vec::new(),
            late: 0,
        }
    }

    /// For samples of every thread, waiting ones too: a row lasts until the
    /// next, however long that takes.
    #[must_use]
    pub fn without_gaps(period: Duration) -> Self {
        Self {
            period,
            patience: None,
            seen: Vec::new(),
            late: 0,
        }
    }

    /// A sample of a thread. Appends what changed to `out`.
    pub fn observe(
        &mut self,
        track: TrackId,
        time: KernelTime,
        stack: StackId,
        state: State,
        out: &mut Vec<RowChange>,
    ) {
        if self.seen.len() <= track.index() {
            self.seen.resize(track.index() + 1, LastSeen::default());
        }
        let (period, patience) = (self.period, self.patience);
        let Some(last) = self.seen.get_mut(track.index()) else {
            return;
        };
        if last.time.since(time) > period {
            self.late += 1;
            return;
        }
        let time = time.max(last.time);
        gap(track, last, time, period, patience, out);
        last.time = time;
        if (last.stack, last.state) != (stack, state) {
            (last.stack, last.state) = (stack, state);
            out.push(RowChange {
                track,
                time,
                stack,
                state,
            });
        }
    }

    /// A thread that has not run since its last sample is in another state: its
    /// stack goes on. One that had no sample yet is left alone.
    pub fn restate(
        &mut self,
        track: TrackId,
        time: KernelTime,
        state: State,
        out: &mut Vec<RowChange>,
    ) {
        let Some(last) = self.seen.get(track.index()) else {
            return;
        };
        if last.state != State::None {
            self.observe(track, time, last.stack, state, out);
        }
    }

    /// Emits the gaps of all threads not seen for too long at `now`. Call it
    /// when the samples up to `now` have been observed, about once a period.
    pub fn expire(&mut self, now: KernelTime, out: &mut Vec<RowChange>) {
        let (period, patience) = (self.period, self.patience);
        for (number, last) in (0..).zip(&mut self.seen) {
            gap(TrackId(number), last, now, period, patience, out);
        }
    }

    /// The thread ended: its last row ends at `time`, or one period after its
    /// last sample where it was not seen since.
    pub fn end_track(&mut self, track: TrackId, time: KernelTime, out: &mut Vec<RowChange>) {
        let Some(last) = self.seen.get_mut(track.index()) else {
            return;
        };
        let mut end = time.max(last.time);
        if self.patience.is_some() {
            end = end.min(last.time.saturating_add(self.period));
        }
        empty(track, last, end, out);
    }

    /// The time before which, at `now`, no change can come any more, when the
    /// samples up to `now` have been observed: what a container may call
    /// complete.
    #[must_use]
    pub fn settled(&self, now: KernelTime) -> KernelTime {
        now.saturating_sub(self.patience.unwrap_or(self.period).max(self.period))
    }

    /// How many samples came more than a period too late and were dropped.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }
}

fn gap(
    track: TrackId,
    last: &mut LastSeen,
    now: KernelTime,
    period: Duration,
    patience: Option<Duration>,
    out: &mut Vec<RowChange>,
) {
    if patience.is_some_and(|patience| now.since(last.time) > patience) {
        empty(track, last, last.time.saturating_add(period), out);
    }
}

fn empty(track: TrackId, last: &mut LastSeen, time: KernelTime, out: &mut Vec<RowChange>) {
    if last.stack == StackId::EMPTY && last.state == State::None {
        return;
    }
    *last = LastSeen {
        time,
        stack: StackId::EMPTY,
        state: State::None,
    };
    out.push(RowChange {
        track,
        time,
        stack: StackId::EMPTY,
        state: State::None,
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{KernelTime, RowChange, StackId, State, TimelineBuilder, TrackId};

    const PERIOD: Duration = Duration::from_nanos(100);
    const TRACK: TrackId = TrackId(3);

    fn observe(builder: &mut TimelineBuilder, time: u64, stack: u32) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        builder.observe(
            TRACK,
            KernelTime(time),
            StackId(stack),
            State::Running,
            &mut out,
        );
        times(&out)
    }

    fn times(changes: &[RowChange]) -> Vec<(u64, u32)> {
        changes
            .iter()
            .map(|change| (change.time.0, change.stack.0))
            .collect()
    }

    #[test]
    fn a_row_only_when_something_changed() {
        let mut builder = TimelineBuilder::new(PERIOD);
        assert_eq!(observe(&mut builder, 1000, 5), [(1000, 5)]);
        assert_eq!(observe(&mut builder, 1100, 5), []);
        assert_eq!(observe(&mut builder, 1200, 6), [(1200, 6)]);
        let mut out = Vec::new();
        builder.observe(TRACK, KernelTime(1300), StackId(6), State::Io, &mut out);
        assert_eq!(out.first().map(|change| change.state), Some(State::Io));
    }

    #[test]
    fn a_thread_that_misses_two_periods_has_a_gap() {
        let mut builder = TimelineBuilder::new(PERIOD);
        observe(&mut builder, 1000, 5);
        assert_eq!(
            observe(&mut builder, 1250, 5),
            [],
            "one missed, half a period late"
        );
        assert_eq!(observe(&mut builder, 1550, 5), [(1350, 0), (1550, 5)]);
        let mut out = Vec::new();
        builder.expire(KernelTime(1800), &mut out);
        assert_eq!(times(&out), []);
        builder.expire(KernelTime(1801), &mut out);
        builder.expire(KernelTime(2500), &mut out);
        assert_eq!(times(&out), [(1650, 0)]);
    }

    #[test]
    fn a_waiting_thread_keeps_its_stack_where_all_are_seen() {
        let mut builder = TimelineBuilder::without_gaps(PERIOD);
        observe(&mut builder, 1000, 5);
        let mut out = Vec::new();
        builder.expire(KernelTime(900_000), &mut out);
        assert_eq!(out, []);
        builder.end_track(TRACK, KernelTime(950_000), &mut out);
        assert_eq!(times(&out), [(950_000, 0)]);
    }

    #[test]
    fn a_thread_ends_once_and_never_before_its_last_sample() {
        let mut builder = TimelineBuilder::new(PERIOD);
        observe(&mut builder, 1000, 5);
        let mut out = Vec::new();
        builder.end_track(TRACK, KernelTime(990), &mut out);
        builder.end_track(TRACK, KernelTime(1200), &mut out);
        builder.end_track(TrackId(77), KernelTime(1200), &mut out);
        assert_eq!(times(&out), [(1000, 0)]);
        observe(&mut builder, 2000, 5);
        out.clear();
        builder.end_track(TRACK, KernelTime(2240), &mut out);
        assert_eq!(times(&out), [(2100, 0)]);
    }

    #[test]
    fn times_never_run_backwards() {
        let mut builder = TimelineBuilder::new(PERIOD);
        observe(&mut builder, 1000, 5);
        assert_eq!(observe(&mut builder, 950, 6), [(1000, 6)]);
        assert_eq!(builder.late(), 0);
        assert_eq!(observe(&mut builder, 899, 7), []);
        assert_eq!(builder.late(), 1);
        let mut out = Vec::new();
        builder.expire(KernelTime(1251), &mut out);
        assert_eq!(
            observe(&mut builder, 1050, 6),
            [(1100, 6)],
            "after its gap was emitted"
        );
    }

    #[test]
    fn nothing_comes_before_the_settled_time() {
        let builder = TimelineBuilder::new(PERIOD);
        assert_eq!(builder.settled(KernelTime(1000)), KernelTime(750));
        assert_eq!(builder.settled(KernelTime(0)), KernelTime(0));
    }

    #[test]
    fn the_ends_of_the_clock_do_not_overflow() {
        let mut builder = TimelineBuilder::new(Duration::MAX);
        assert_eq!(observe(&mut builder, u64::MAX, 5), [(u64::MAX, 5)]);
        assert_eq!(observe(&mut builder, 0, 6), [(u64::MAX, 6)]);
    }
}
