//! From stacks of threads to rows in the container: the timeline's builder, and
//! the writer that takes what the builder makes. It refuses to know where a stack
//! comes from, and what a thread is called.

use std::io::Write;
use std::time::Duration;

use crate::timeline::{
    KernelTime, RowChange, StackId, State, Symbols, TimelineBuilder, TrackId, Tracks,
};
use crate::trace::{Summary, TraceError, TraceWriter};

/// The last two stages.
pub(super) struct Rows<W> {
    builder: TimelineBuilder,
    /// Made and not written; empty between calls.
    changes: Vec<RowChange>,
    trace: TraceWriter<W>,
}

impl<W: Write> Rows<W> {
    pub(super) fn new(builder: TimelineBuilder, trace: TraceWriter<W>) -> Self {
        Self {
            builder,
            changes: Vec::new(),
            trace,
        }
    }

    /// From `time` on, samples are taken each `period`.
    pub(super) fn change_period(&mut self, time: KernelTime, period: Duration) {
        self.builder.change_period(time, period);
    }

    /// A thread was seen with a stack. Whether that was in time.
    pub(super) fn observe(
        &mut self,
        track: TrackId,
        time: KernelTime,
        stack: StackId,
        state: State,
    ) -> bool {
        let changes = &mut self.changes;
        let is_in_time = self.builder.observe(track, time, stack, state, changes);
        self.write_changes();
        is_in_time
    }

    /// A thread was seen with the stack that it had before. Whether that was in
    /// time.
    pub(super) fn restate(&mut self, track: TrackId, time: KernelTime, state: State) -> bool {
        let is_in_time = self.builder.restate(track, time, state, &mut self.changes);
        self.write_changes();
        is_in_time
    }

    /// A thread has ended.
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

    /// Writes what is settled into the container. Up to when it is.
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

    /// Writes what has become of the samples so far.
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

    /// The container, to be read while it is written.
    pub(super) fn container(&self) -> &W {
        self.trace.output()
    }

    /// Whether rows are waiting that should not pile up further.
    pub(super) fn wants_flush(&self) -> bool {
        self.trace.wants_flush()
    }
}
