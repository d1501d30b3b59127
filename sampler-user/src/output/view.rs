//! A part of a trace, by threads and by time, and its rows in either order. It
//! refuses to know how the part was chosen.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::{Order, RowFilter, SinkError, TraceSink};
use crate::timeline::{KernelTime, ProcessInfo, StackId, State, TimelineRow, Track, TrackId};
use crate::trace::{Mode, Trace};

/// The part of a trace that goes into one file.
#[derive(Clone, Debug)]
pub struct TraceView<'a> {
    trace: &'a Trace,
    /// Those that have a row with a stack, by the time of the first.
    tracks: Vec<TrackId>,
    from: KernelTime,
    to: KernelTime,
    filter: RowFilter,
    several_processes: bool,
}

impl<'a> TraceView<'a> {
    /// The part from `from` to `to` of the tracks for which `wanted` holds, with
    /// the rows that `filter` shows.
    #[must_use]
    pub fn new(
        trace: &'a Trace,
        from: KernelTime,
        to: KernelTime,
        filter: RowFilter,
        wanted: impl Fn(TrackId) -> bool,
    ) -> Self {
        let mut view = Self {
            trace,
            tracks: Vec::new(),
            from: whole_microseconds(from),
            to: whole_microseconds(to.min(trace.summary.end)),
            filter,
            several_processes: false,
        };
        let mut order: Vec<_> = trace
            .rows
            .tracks()
            .into_iter()
            .filter(|&track| wanted(track))
            .filter_map(|track| Some((view.rows(track).next()?.start, track)))
            .collect();
        order.sort_unstable();
        view.tracks = order.into_iter().map(|(_, track)| track).collect();
        view.named()
    }

    /// With its threads' names as many processes as it has ask for.
    fn named(mut self) -> Self {
        let process = |&id: &TrackId| self.trace.tracks.track(id).map(|track| track.process);
        let processes: BTreeSet<_> = self.tracks.iter().filter_map(process).collect();
        self.several_processes = processes.len() > 1;
        self
    }

    /// The whole trace.
    #[must_use]
    pub fn whole(trace: &'a Trace) -> Self {
        let filter = RowFilter::default();
        Self::new(trace, KernelTime(0), trace.summary.end, filter, |_| true)
    }

    /// The same times of some of its tracks.
    #[must_use]
    pub fn part(&self, tracks: Vec<TrackId>) -> Self {
        Self {
            tracks,
            ..self.clone()
        }
        .named()
    }

    /// The trace that this is a part of.
    #[must_use]
    pub fn trace(&self) -> &'a Trace {
        self.trace
    }

    /// The tracks with rows, in the order of their first.
    #[must_use]
    pub fn tracks(&self) -> &[TrackId] {
        &self.tracks
    }

    /// When the part begins: the time zero of formats that have one.
    #[must_use]
    pub fn start(&self) -> KernelTime {
        let start = whole_microseconds(self.trace.info.start);
        self.from.max(start).min(self.to.max(start))
    }

    /// Microseconds from the part's start to `time`.
    #[must_use]
    pub fn microseconds(&self, time: KernelTime) -> u64 {
        time.0.saturating_sub(self.start().0) / 1000
    }

    /// What was sampled, as far as it is shown.
    #[must_use]
    pub fn mode(&self) -> Mode {
        if self.filter.running_only {
            Mode::Cpu
        } else {
            self.trace.info.mode
        }
    }

    /// When the part ends.
    #[must_use]
    pub fn end(&self) -> KernelTime {
        self.to
    }

    /// The rows of a track, cut to the part's times, from its first stack on.
    pub fn rows(&self, track: TrackId) -> impl Iterator<Item = TimelineRow> + use<'a> {
        let (from, to) = (self.from, self.to);
        let rows = self
            .trace
            .rows
            .rows(track, self.trace.summary.end)
            .filter(move |row| row.end > from || row.start >= from)
            .take_while(move |row| row.start <= to && from <= to)
            .map(move |row| TimelineRow {
                start: row.start.max(from),
                end: row.end.min(to),
                ..row
            });
        self.filter
            .clone()
            .apply(rows)
            .skip_while(|row| row.stack == StackId::EMPTY && row.state == State::None)
    }

    /// A track and its process.
    #[must_use]
    pub fn thread(&self, id: TrackId) -> Option<(&'a Track, &'a ProcessInfo)> {
        let track = self.trace.tracks.track(id)?;
        Some((track, self.trace.tracks.process(track.process)?))
    }

    /// A name that tells the track apart from all others of the part: its own
    /// in one process, `MainThread · gunicorn[1234]` among several.
    #[must_use]
    pub fn label(&self, id: TrackId) -> String {
        match self.thread(id) {
            None => String::new(),
            Some((track, process)) if self.several_processes => {
                format!("{} · {}[{}]", track.name, process.name, process.pid)
            }
            Some((track, _)) => track.name.clone(),
        }
    }
}

/// Times are kept in microseconds, as every format has them.
fn whole_microseconds(time: KernelTime) -> KernelTime {
    KernelTime(time.0 - time.0 % 1000)
}

/// Gives all rows of a view to a sink, in the order it wants.
///
/// # Errors
/// What the sink returns.
pub fn drive(view: &TraceView<'_>, mut sink: Box<dyn TraceSink + '_>) -> Result<(), SinkError> {
    match sink.order() {
        None => {}
        Some(Order::Thread) => {
            for &track in view.tracks() {
                sink.track(track)?;
                for row in view.rows(track) {
                    sink.row(&row)?;
                }
            }
        }
        Some(Order::Time) => by_time(view, &mut *sink)?,
    }
    sink.finish()
}

fn by_time(view: &TraceView<'_>, sink: &mut dyn TraceSink) -> Result<(), SinkError> {
    let mut rows: Vec<_> = view
        .tracks()
        .iter()
        .map(|&track| view.rows(track))
        .collect();
    let mut next: Vec<Option<TimelineRow>> = rows.iter_mut().map(Iterator::next).collect();
    let mut queue: BinaryHeap<_> = next
        .iter()
        .enumerate()
        .filter_map(|(position, row)| Some(Reverse((row.as_ref()?.start, position))))
        .collect();
    for &track in view.tracks() {
        sink.track(track)?;
    }
    while let Some(Reverse((_, position))) = queue.pop() {
        let (Some(rows), Some(slot)) = (rows.get_mut(position), next.get_mut(position)) else {
            continue;
        };
        if let Some(row) = slot.take() {
            sink.row(&row)?;
        }
        *slot = rows.next();
        if let Some(row) = slot {
            queue.push(Reverse((row.start, position)));
        }
    }
    Ok(())
}
