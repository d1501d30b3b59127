// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns samples into changes: a row when the stack or the state of a thread changed, and
//! a gap when the thread was not seen.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::identifiers::{KernelTime, StackId, TrackId};
use crate::model::row::{RowChange, State, Weight};

/// A thread has a gap when it was not seen for this many half periods: two samples are
/// missing, and a tick may come half a period late because each CPU ticks in its own
/// phase.
const GAP_HALF_PERIODS: u32 = 5;

#[derive(Clone, Copy, Debug, Default)]
struct LastSeen {
    /// The time of the last sample, or of the last change where that is later. Nothing is
    /// emitted before it.
    time: KernelTime,
    stack: StackId,
    state: State,
}

/// Turns samples into [`RowChange`]s.
///
/// Samples of one thread must come nearly in order. All CPUs write to one ring buffer,
/// where two samples of a thread that moved can change places. A sample that is late by
/// at most one period counts as taken at the time of the one before it. One that is later
/// still is dropped and counted.
#[derive(Debug)]
pub struct TimelineBuilder {
    sampling: SamplingPeriod,
    /// Periods that start later, with the time from which each holds.
    to_come: VecDeque<(KernelTime, Duration)>,
    seen: Vec<LastSeen>,
    late: u64,
    /// How long a wait may go unseen once a sample of it is due; zero where a sample arrives
    /// when it is taken.
    unseen: Duration,
}

/// How often a running thread is seen.
#[derive(Clone, Copy, Debug)]
struct SamplingPeriod {
    period: Duration,
    /// When the period began to hold; the first sample comes one period later.
    since: KernelTime,
    /// The previous period.
    before: Duration,
    /// Whether a thread that is not seen is not running.
    has_gaps: bool,
}

/// How long a thread may go unseen without a gap.
fn longest_unseen(period: Duration) -> Duration {
    period.saturating_mul(GAP_HALF_PERIODS) / 2
}

impl SamplingPeriod {
    /// Returns when the row of a thread ended that was last seen at `last`, if it has
    /// ended by `now`.
    fn end_of_row(&self, last: KernelTime, now: KernelTime) -> Option<KernelTime> {
        if !self.has_gaps {
            return None;
        }
        if last >= self.since {
            let is_over = now.since(last) > longest_unseen(self.period);
            return is_over.then(|| last.saturating_add(self.period));
        }
        let end = last.saturating_add(self.before);
        if self.since.since(last) > longest_unseen(self.before) {
            return (now.since(last) > longest_unseen(self.before)).then_some(end);
        }
        let next = self.since.saturating_add(self.period);
        (now.since(self.since) > longest_unseen(self.period)).then(|| end.min(next))
    }

    /// The longest time that a row may last beyond its thread's last sample.
    fn longest(&self, last: KernelTime) -> Duration {
        if last < self.since {
            self.before
        } else {
            self.period
        }
    }
}

impl TimelineBuilder {
    /// Creates a builder for samples of running threads, one each `period`: a thread that
    /// misses two gets the empty stack, from one period after its last sample.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        let mut builder = Self::without_gaps(period);
        builder.sampling.has_gaps = true;
        builder
    }

    /// Creates a builder for samples of every thread, including waiting ones: a row lasts
    /// until the next, however long that takes.
    #[must_use]
    pub fn without_gaps(period: Duration) -> Self {
        Self {
            sampling: SamplingPeriod {
                period,
                since: KernelTime(0),
                before: period,
                has_gaps: false,
            },
            to_come: VecDeque::new(),
            seen: Vec::new(),
            late: 0,
            unseen: Duration::ZERO,
        }
    }

    /// Creates a builder for samples of every thread, where a sample of a wait has the time
    /// at which the wait began. It arrives when the wait is over, or at most `unseen` after a
    /// sample of it was due, which is within two periods.
    #[must_use]
    pub fn of_whole_waits(period: Duration, unseen: Duration) -> Self {
        Self {
            unseen,
            ..Self::without_gaps(period)
        }
    }

    /// Returns a builder for another trace, which goes on at the same rate and knows no
    /// thread yet.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self {
            sampling: self.sampling,
            to_come: self.to_come.clone(),
            seen: Vec::new(),
            late: 0,
            unseen: self.unseen,
        }
    }

    /// Returns what the last sample of a thread saw, and when, if its row goes on until
    /// the next one, however long that takes.
    #[must_use]
    pub fn lasting(&self, track: TrackId) -> Option<(KernelTime, StackId, State)> {
        let last = self.seen.get(track.index())?;
        let lasts = !self.sampling.has_gaps && last.state != State::None;
        lasts.then_some((last.time, last.stack, last.state))
    }

    /// Announces that samples taken from `from` on come each `period`. Samples that were
    /// taken before may still be on their way.
    pub fn change_period(&mut self, from: KernelTime, period: Duration) {
        self.to_come.push_back((from, period));
    }

    /// Starts the periods that hold at `now`, the time of the samples.
    fn advance(&mut self, now: KernelTime) {
        while let Some((from, period)) = self.to_come.pop_front_if(|(from, _)| *from <= now) {
            self.sampling = SamplingPeriod {
                period,
                since: from,
                before: self.sampling.period,
                ..self.sampling
            };
        }
    }

    /// Adds a sample of a thread, and appends what changed to `out`. Returns false when
    /// the sample came too late and was dropped.
    pub fn observe(
        &mut self,
        track: TrackId,
        time: KernelTime,
        stack: StackId,
        state: State,
        out: &mut Vec<RowChange>,
    ) -> bool {
        self.advance(time);
        if self.seen.len() <= track.index() {
            self.seen.resize(track.index() + 1, LastSeen::default());
        }
        let sampling = self.sampling;
        let Some(last) = self.seen.get_mut(track.index()) else {
            return false;
        };
        if last.time.since(time) > sampling.period {
            self.late += 1;
            return false;
        }
        let time = time.max(last.time);
        gap(track, last, time, sampling, out);
        last.time = time;
        if (last.stack, last.state) != (stack, state) {
            (last.stack, last.state) = (stack, state);
            out.push(RowChange {
                track,
                time,
                stack,
                state,
                weight: Weight::ZERO,
            });
        }
        true
    }

    /// Adds another state of a thread that has not run since its last sample and keeps
    /// its stack. Leaves a thread alone that had no sample yet. Returns false when the
    /// state came too late.
    pub fn restate(
        &mut self,
        track: TrackId,
        time: KernelTime,
        state: State,
        out: &mut Vec<RowChange>,
    ) -> bool {
        match self.seen.get(track.index()) {
            Some(last) if last.state != State::None => {
                self.observe(track, time, last.stack, state, out)
            }
            _ => true,
        }
    }

    /// Emits the gaps of all threads that at `now` were not seen for too long. Call it
    /// about once a period, when the samples up to `now` have been observed.
    pub fn expire(&mut self, now: KernelTime, out: &mut Vec<RowChange>) {
        self.advance(now);
        let sampling = self.sampling;
        for (number, last) in (0..).zip(&mut self.seen) {
            gap(TrackId(number), last, now, sampling, out);
        }
    }

    /// Ends a thread: its last row ends at `time`, or one period after its last sample
    /// where the thread was not seen since.
    pub fn end_track(&mut self, track: TrackId, time: KernelTime, out: &mut Vec<RowChange>) {
        let Some(last) = self.seen.get_mut(track.index()) else {
            return;
        };
        let mut end = time.max(last.time);
        if self.sampling.has_gaps {
            end = end.min(last.time.saturating_add(self.sampling.longest(last.time)));
        }
        empty(track, last, end, out);
    }

    /// Returns the time before which no change can come any more, when the samples up to
    /// `now` have been observed: what a container may call complete.
    #[must_use]
    pub fn settled(&self, now: KernelTime) -> KernelTime {
        let sampling = &self.sampling;
        let to_come = self.to_come.iter().map(|(_, period)| *period);
        let longest = to_come.fold(sampling.period.max(sampling.before), Duration::max);
        now.saturating_sub(if sampling.has_gaps {
            longest_unseen(longest)
        } else {
            longest.max(self.waits_late_by(longest))
        })
    }

    /// Returns how late a sample of a wait may arrive for no other reason than that the wait
    /// is known late.
    #[must_use]
    pub fn waits_late(&self) -> Duration {
        self.waits_late_by(self.sampling.period.max(self.sampling.before))
    }

    fn waits_late_by(&self, period: Duration) -> Duration {
        if self.unseen.is_zero() {
            return Duration::ZERO;
        }
        self.unseen.saturating_add(period.saturating_mul(2))
    }

    /// Returns the time that a sample taken at `time` represents, in nanoseconds.
    #[must_use]
    pub fn period_at(&self, time: KernelTime) -> u64 {
        let period = if time < self.sampling.since {
            self.sampling.before
        } else {
            self.sampling.period
        };
        u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns how many samples came more than a period too late and were dropped.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }
}

fn gap(
    track: TrackId,
    last: &mut LastSeen,
    now: KernelTime,
    sampling: SamplingPeriod,
    out: &mut Vec<RowChange>,
) {
    if let Some(end) = sampling.end_of_row(last.time, now) {
        empty(track, last, end, out);
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
        weight: Weight::ZERO,
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
    fn another_period_counts_from_its_time_on() {
        let mut builder = TimelineBuilder::new(PERIOD);
        builder.change_period(KernelTime(1500), Duration::from_nanos(1000));
        assert_eq!(builder.settled(KernelTime(9000)), KernelTime(6500));
        assert_eq!(builder.period_at(KernelTime(1400)), 100);
        observe(&mut builder, 1000, 5);
        assert_eq!(observe(&mut builder, 1400, 5), [(1100, 0), (1400, 5)]);
        assert_eq!(
            observe(&mut builder, 2500, 5),
            [],
            "the first of the new period"
        );
        assert_eq!(observe(&mut builder, 4500, 5), [], "one missed");
        assert_eq!(observe(&mut builder, 7100, 5), [(5500, 0), (7100, 5)]);
        let periods = [1499, 1500].map(|time| builder.period_at(KernelTime(time)));
        assert_eq!(periods, [100, 1000]);
        builder.change_period(KernelTime(7500), PERIOD);
        assert_eq!(
            observe(&mut builder, 7600, 5),
            [],
            "the first of the old one again"
        );
        let mut out = Vec::new();
        builder.expire(KernelTime(8000), &mut out);
        assert_eq!(times(&out), [(7700, 0)]);
    }

    #[test]
    fn a_thread_not_seen_since_a_change_of_the_period_has_a_gap() {
        for (last, change, period, now, end) in [
            (1450, 1500, 1000, 4001, 1550),
            (1050, 1300, 100, 1551, 1150),
            // The thread had been missed before the change.
            (1000, 1300, 1000, 1251, 1100),
        ] {
            let mut builder = TimelineBuilder::new(PERIOD);
            observe(&mut builder, last, 5);
            builder.change_period(KernelTime(change), Duration::from_nanos(period));
            let mut out = Vec::new();
            builder.expire(KernelTime(now - 1), &mut out);
            assert_eq!(times(&out), [], "{last}");
            builder.expire(KernelTime(now), &mut out);
            assert_eq!(times(&out), [(end, 0)], "{last}");
        }
    }

    #[test]
    fn nothing_comes_before_the_settled_time() {
        let builder = TimelineBuilder::new(PERIOD);
        assert_eq!(builder.settled(KernelTime(1000)), KernelTime(750));
        assert_eq!(builder.settled(KernelTime(0)), KernelTime(0));
        let builder = TimelineBuilder::without_gaps(PERIOD);
        assert_eq!(builder.settled(KernelTime(1000)), KernelTime(900));
    }

    #[test]
    fn a_wait_that_is_known_late_keeps_its_beginning_unsettled() {
        let unseen = Duration::from_nanos(300);
        let builder = TimelineBuilder::of_whole_waits(PERIOD, unseen);
        assert_eq!(builder.settled(KernelTime(1000)), KernelTime(500));
        assert_eq!(
            builder.successor().settled(KernelTime(1000)),
            KernelTime(500)
        );
        assert_eq!(builder.waits_late(), Duration::from_nanos(500));
        let at_once = TimelineBuilder::without_gaps(PERIOD);
        assert_eq!(at_once.waits_late(), Duration::ZERO);
    }

    #[test]
    fn the_ends_of_the_clock_do_not_overflow() {
        let mut builder = TimelineBuilder::new(Duration::MAX);
        assert_eq!(observe(&mut builder, u64::MAX, 5), [(u64::MAX, 5)]);
        assert_eq!(observe(&mut builder, 0, 6), [(u64::MAX, 6)]);
    }
}
