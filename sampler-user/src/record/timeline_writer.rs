// SPDX-License-Identifier: MIT OR Apache-2.0

//! Turns the stacks of threads into rows in the container: feeds the timeline's builder,
//! and passes what that makes on to the writer.

use std::io::Write;
use std::time::Duration;

use sampler_trace::container::error::TraceError;
use sampler_trace::container::info::Summary;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::builder::TimelineBuilder;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::Tracks;

use crate::record::stillness::{StillThreads, Stillness};

/// The timeline of a trace, and the container that it is written to.
pub(super) struct TimelineWriter<W> {
    builder: TimelineBuilder,
    /// Changes that were built and not written; empty between calls.
    changes: Vec<RowChange>,
    trace: TraceWriter<W>,
    /// The last wait of each thread, by the index of its track.
    waits: Vec<Wait>,
    /// Present if that is wanted.
    stillness: Option<StillThreads>,
}

/// What a thread waited for the last time.
#[derive(Clone, Copy, Debug, Default)]
struct Wait {
    stack: StackId,
    state: State,
    /// The last wait that was not for a CPU.
    asleep: Option<(StackId, State)>,
    /// The stack with which it was last seen running since then, if it was.
    ran: Option<StackId>,
}

impl Wait {
    /// Returns the row that the thread is in.
    fn row(&self) -> (StackId, State) {
        match self.ran {
            Some(stack) => (stack, State::Running),
            None => (self.stack, self.state),
        }
    }

    /// Changes what it waits for.
    fn set(&mut self, stack: StackId, state: State) {
        (self.stack, self.state) = (stack, state);
        if state != State::Runnable {
            self.asleep = Some((stack, state));
        }
    }
}

impl<W: Write> TimelineWriter<W> {
    /// A timeline that keeps since when each thread stands still, if `stillness` is set.
    pub(super) fn new(builder: TimelineBuilder, trace: TraceWriter<W>, stillness: bool) -> Self {
        Self {
            builder,
            changes: Vec::new(),
            trace,
            waits: Vec::new(),
            stillness: stillness.then(StillThreads::default),
        }
    }

    /// Begins another trace at the same rate. [`Self::carry_over`] gives it the threads.
    pub(super) fn successor(&self, trace: TraceWriter<W>) -> Self {
        Self::new(self.builder.successor(), trace, self.stillness.is_some())
    }

    /// Continues the row of a thread of another trace, `track` there, as the row `own` of
    /// this one, at whose beginning it is shown. `import` returns the number that a stack
    /// of the other trace has in this one. Does nothing for a thread whose row ends without
    /// another sample.
    pub(super) fn carry_over(
        &mut self,
        from: &Self,
        (track, own): (TrackId, TrackId),
        mut import: impl FnMut(StackId) -> StackId,
    ) {
        let Some((time, stack, state)) = from.builder.lasting(track) else {
            return;
        };
        let stack = import(stack);
        self.observe(own, time, stack, state);
        if let Some(wait) = from.waits.get(track.index()) {
            *self.wait(own) = Wait {
                stack: import(wait.stack),
                state: wait.state,
                asleep: wait.asleep.map(|(stack, state)| (import(stack), state)),
                ran: wait.ran.map(&mut import),
            };
        }
        if let (Some(stillness), Some(from)) = (&mut self.stillness, &from.stillness)
            && let Some(before) = from.get(track)
        {
            stillness.carry_over(own, import(before.stack), before);
        }
    }

    /// Whether the row of a thread goes on until its next sample, however long that takes.
    pub(super) fn is_lasting(&self, track: TrackId) -> bool {
        self.builder.lasting(track).is_some()
    }

    /// Returns the state of a thread's row and since when the thread stands there, if that is
    /// known and the row goes on until its next sample.
    pub(super) fn standing(&self, track: TrackId) -> Option<(State, Stillness)> {
        let (_, _, state) = self.builder.lasting(track)?;
        Some((state, self.stillness.as_ref()?.get(track)?))
    }

    /// Sets the time between two samples from `time` on.
    pub(super) fn change_period(&mut self, time: KernelTime, period: Duration) {
        self.builder.change_period(time, period);
    }

    /// Returns the time that a sample taken at `time` accounts for, in nanoseconds.
    pub(super) fn period_at(&self, time: KernelTime) -> u64 {
        self.builder.period_at(time)
    }

    /// Returns how late a sample of a wait may arrive though everything goes well.
    pub(super) fn waits_late(&self) -> Duration {
        self.builder.waits_late()
    }

    /// Takes in a scan's sample of a thread that waits with a stack; it represents
    /// `nanoseconds`. Returns false if it came too late and was dropped.
    pub(super) fn observe_waiting(
        &mut self,
        track: TrackId,
        time: KernelTime,
        (stack, state): (StackId, State),
        nanoseconds: u64,
    ) -> bool {
        let is_in_time = self.observe(track, time, stack, state);
        if is_in_time {
            let wait = self.wait(track);
            wait.set(stack, state);
            wait.ran = None;
            if let Some(stillness) = &mut self.stillness {
                stillness.waits(track, (stack, state), time);
            }
            self.trace
                .weigh(track, time, self.weight(time, nanoseconds));
        }
        is_in_time
    }

    /// Takes in scans that found a thread where it waited last, not for a CPU; they represent
    /// `nanoseconds`.
    pub(super) fn weigh_wait(&mut self, track: TrackId, time: KernelTime, nanoseconds: u64) {
        let wait = *self.wait(track);
        if wait.state == State::None {
            return;
        }
        let (stack, state) = wait.asleep.unwrap_or((wait.stack, wait.state));
        self.weigh_part(track, time, (stack, state), nanoseconds);
    }

    /// Takes in scans that found a thread waiting for a CPU; they represent `nanoseconds`.
    pub(super) fn weigh_queued(&mut self, track: TrackId, time: KernelTime, nanoseconds: u64) {
        let wait = *self.wait(track);
        if wait.state != State::None {
            self.weigh_part(track, time, (wait.stack, State::Runnable), nanoseconds);
        }
    }

    /// Adds a weight to a thread's row, if that is what is to be weighed; otherwise the row
    /// gets a part without a length.
    fn weigh_part(
        &mut self,
        track: TrackId,
        time: KernelTime,
        part: (StackId, State),
        nanoseconds: u64,
    ) {
        let weight = self.weight(time, nanoseconds);
        let row = self.wait(track).row();
        if part != row {
            self.observe(track, time, part.0, part.1);
        }
        self.trace.weigh(track, time, weight);
        if part != row {
            self.observe(track, time, row.0, row.1);
        }
    }

    /// Converts a time to a number of samples, which is how the trace stores it.
    fn weight(&self, time: KernelTime, nanoseconds: u64) -> Weight {
        let period = self.builder.period_at(time).max(1);
        let count = nanoseconds.saturating_add(period / 2) / period;
        Weight::of_samples(period, count)
    }

    fn wait(&mut self, track: TrackId) -> &mut Wait {
        let number = track.index();
        if self.waits.len() <= number {
            self.waits.resize(number + 1, Wait::default());
        }
        &mut self.waits[number]
    }

    fn observe(&mut self, track: TrackId, time: KernelTime, stack: StackId, state: State) -> bool {
        let changes = &mut self.changes;
        let is_in_time = self.builder.observe(track, time, stack, state, changes);
        self.write_changes();
        is_in_time
    }

    /// Takes in a tick that found a thread running with a stack. Returns false if it came
    /// too late and was dropped.
    pub(super) fn observe_running(
        &mut self,
        track: TrackId,
        time: KernelTime,
        stack: StackId,
        in_kernel: bool,
    ) -> bool {
        let is_in_time = self.observe(track, time, stack, State::Running);
        if is_in_time {
            let weight = Weight {
                system: u64::from(in_kernel),
                ..Weight::of_samples(self.builder.period_at(time), 1)
            };
            self.trace.weigh(track, time, weight);
            self.wait(track).ran = Some(stack);
            if let Some(stillness) = &mut self.stillness {
                stillness.runs(track, stack, time);
            }
        }
        is_in_time
    }

    /// Takes in a scan's sample of a thread that waits with the stack that it had before; it
    /// represents `nanoseconds`. Returns false if it came too late and was dropped.
    pub(super) fn restate(
        &mut self,
        track: TrackId,
        time: KernelTime,
        state: State,
        nanoseconds: u64,
    ) -> bool {
        let is_in_time = self.builder.restate(track, time, state, &mut self.changes);
        self.write_changes();
        let wait = self.wait(track);
        if is_in_time && wait.state != State::None {
            wait.set(wait.stack, state);
            if let Some(stillness) = &mut self.stillness {
                stillness.restates(track, state, time);
            }
            self.trace
                .weigh(track, time, self.weight(time, nanoseconds));
        }
        is_in_time
    }

    /// Ends the row of a thread that ended at `time`.
    pub(super) fn end_track(&mut self, track: TrackId, time: KernelTime) {
        self.builder.end_track(track, time, &mut self.changes);
        self.write_changes();
    }

    /// Ends the rows of threads that have stopped running.
    pub(super) fn expire(&mut self, now: KernelTime) {
        self.builder.expire(now, &mut self.changes);
        self.write_changes();
    }

    fn write_changes(&mut self) {
        for change in self.changes.drain(..) {
            self.trace.change(&change);
        }
    }

    /// Writes what is settled into the container. Returns the time up to which it is
    /// settled.
    pub(super) fn flush(
        &mut self,
        now: KernelTime,
        symbols: &Symbols,
        tracks: &mut Tracks,
    ) -> Result<KernelTime, TraceError> {
        let settled = self.builder.settled(now);
        self.trace.flush(settled, symbols, tracks)?;
        Ok(settled)
    }

    /// Writes the account of the samples so far.
    pub(super) fn account(&mut self, so_far: &Summary) -> Result<(), TraceError> {
        self.trace.account(so_far)
    }

    /// Closes the container and gives it back.
    pub(super) fn finish(
        self,
        closing: &Summary,
        symbols: &Symbols,
        tracks: &mut Tracks,
    ) -> Result<W, TraceError> {
        self.trace.finish(closing, symbols, tracks)
    }

    /// Returns the container, which can be read while it is written.
    pub(super) fn container(&self) -> &W {
        self.trace.output()
    }

    /// Whether so many rows are held back that they should be written now.
    pub(super) fn wants_flush(&self) -> bool {
        self.trace.wants_flush()
    }
}
