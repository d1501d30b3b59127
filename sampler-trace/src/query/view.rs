// SPDX-License-Identifier: MIT OR Apache-2.0

//! A part of a trace, by threads and by time, and its rows in either order.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::container::info::{Counts, Mode, ThreadCpuTime};
use crate::container::load::Trace;
use crate::model::identifiers::{KernelTime, StackId, TrackId};
use crate::model::row::{State, TimelineRow};
use crate::model::track::{ProcessInfo, Track};
use crate::query::filter::RowFilter;

/// The counters of CPU time as the kernel counted it.
pub(crate) const CPU_TIMES: [&str; 3] = ["kernel_cpu_us", "kernel_user_us", "kernel_system_us"];

/// The part of a trace that goes into one file.
#[derive(Clone, Debug)]
pub struct TraceView<'a> {
    trace: &'a Trace,
    /// The tracks that have a row other than a gap, in the order of the first.
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

    /// Notes whether the view has several processes, because labels then name them.
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

    /// The part with the same times and only these tracks.
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

    /// The tracks that have rows, in the order of their first row.
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

    /// The time from the part's start to `time`, in microseconds.
    #[must_use]
    pub fn microseconds(&self, time: KernelTime) -> u64 {
        time.0.saturating_sub(self.start().0) / 1000
    }

    /// What was sampled, as far as the view shows it.
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

    /// The CPU time of a track as the kernel counted it, if it is known and the view
    /// covers all times of the trace.
    #[must_use]
    pub fn cpu_time(&self, track: TrackId) -> Option<ThreadCpuTime> {
        // They are sorted by track: a reader returns them in that order.
        let times = &self.trace.summary.threads;
        let at = times.binary_search_by_key(&track, |of| of.track).ok()?;
        times.get(at).copied().filter(|_| self.has_all_times())
    }

    /// The counters of the trace, as far as they apply to the part. The account of
    /// samples is that of the whole recording, and formats say so. The kernel's CPU time
    /// is left out of a part in time, because it would be compared with the samples of
    /// the part.
    #[must_use]
    pub fn counts<'c>(&self, counts: &'c Counts) -> Cow<'c, Counts> {
        if self.has_all_times() {
            return Cow::Borrowed(counts);
        }
        let mut counts = counts.clone();
        counts.retain(|name, _| !CPU_TIMES.contains(&name.as_str()));
        Cow::Owned(counts)
    }

    /// Whether the view covers all times of the trace, so that figures of the whole apply
    /// to it.
    #[must_use]
    pub fn has_all_times(&self) -> bool {
        let trace = self.trace;
        self.from <= trace.info.start && self.to >= whole_microseconds(trace.summary.end)
    }

    /// The rows of a track, cut to the part's times, from the first one that is not a gap.
    pub fn rows(&self, track: TrackId) -> impl Iterator<Item = TimelineRow> + use<'a> {
        let (from, to) = (self.from, self.to);
        let rows = self
            .trace
            .rows
            .rows(track, self.trace.summary.end)
            .filter(move |row| row.end > from || row.start >= from)
            .take_while(move |row| row.start <= to && from <= to)
            .map(move |row| cut(&row, from, to));
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

    /// The name of a track: its own if the part has one process, and
    /// `MainThread · gunicorn[1234]` if it has several.
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

/// Cuts a row to the time between `from` and `to`. Its samples are assumed to be spread
/// evenly over it.
fn cut(row: &TimelineRow, from: KernelTime, to: KernelTime) -> TimelineRow {
    let (start, end) = (row.start.max(from), row.end.min(to));
    TimelineRow {
        start,
        end,
        weight: row
            .weight
            .scaled(end.0.saturating_sub(start.0), row.end.0 - row.start.0),
        ..*row
    }
}

/// Truncates a time to microseconds, as every format has them.
fn whole_microseconds(time: KernelTime) -> KernelTime {
    KernelTime(time.0 - time.0 % 1000)
}
