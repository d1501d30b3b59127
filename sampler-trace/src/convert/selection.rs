// SPDX-License-Identifier: MIT OR Apache-2.0

//! Selects a part of a trace by time, thread, process, stack and mode.

use std::time::Duration;

use regex::Regex;

use crate::container::info::{Mode, TraceInfo};
use crate::container::load::Trace;
use crate::convert::error::ConvertError;
use crate::convert::frames::FrameSelection;
use crate::model::identifiers::{KernelTime, TrackId};
use crate::model::track::ProcessInfo;
use crate::query::filter::RowFilter;
use crate::query::view::TraceView;

/// The selected part of a trace. The default is all of it.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What lies before this time is left out.
    pub from: Option<TimePoint>,
    /// What lies after this time is left out.
    pub to: Option<TimePoint>,
    /// Has to match somewhere in the name of a thread.
    pub thread: Option<Regex>,
    /// Has to match somewhere in `name[pid]`, the command line, the container or the path
    /// of the cgroup of a process.
    pub process: Option<Regex>,
    /// What a stack has to contain; rows with other stacks become gaps.
    pub frames: FrameSelection,
    /// [`Mode::Cpu`] turns waiting into gaps. [`Mode::Wall`] requires a trace that has waiting.
    pub mode: Option<Mode>,
}

/// How many files a trace is split into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// One for everything.
    #[default]
    No,
    /// One for each process.
    Process,
    /// One for each thread.
    Thread,
}

/// A point in time of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// This long after the trace's start.
    SinceStart(Duration),
    /// Unix time, in microseconds.
    Unix(u64),
}

impl TimePoint {
    fn in_trace(self, info: &TraceInfo) -> KernelTime {
        match self {
            Self::SinceStart(duration) => info.start.saturating_add(duration),
            Self::Unix(microseconds) => {
                let since = microseconds.saturating_sub(info.unix_start_us);
                info.start.saturating_add(Duration::from_micros(since))
            }
        }
    }
}

impl Selection {
    /// Selects the part of a trace.
    ///
    /// # Errors
    /// [`ConvertError::NoWaiting`], and [`ConvertError::Nothing`] where the trace has
    /// rows and the selected part has none.
    pub fn of<'a>(&self, trace: &'a Trace) -> Result<TraceView<'a>, ConvertError> {
        if self.mode == Some(Mode::Wall) && trace.info.mode == Mode::Cpu {
            return Err(ConvertError::NoWaiting);
        }
        let view = self.view(trace);
        if view.tracks().is_empty() && !trace.rows.is_empty() {
            let seconds = trace.summary.end.since(trace.info.start).as_secs_f64();
            return Err(ConvertError::Nothing {
                threads: trace.tracks.tracks().len(),
                seconds,
            });
        }
        Ok(view)
    }

    fn view<'a>(&self, trace: &'a Trace) -> TraceView<'a> {
        let from = self
            .from
            .map_or(KernelTime(0), |from| from.in_trace(&trace.info));
        let to = self
            .to
            .map_or(trace.summary.end, |to| to.in_trace(&trace.info));
        let filter = RowFilter {
            stacks: self.frames.stacks(&trace.symbols),
            running_only: self.mode == Some(Mode::Cpu),
        };
        TraceView::new(trace, from, to, filter, |id| self.wants(trace, id))
    }

    fn wants(&self, trace: &Trace, id: TrackId) -> bool {
        let Some(track) = trace.tracks.track(id) else {
            return false;
        };
        let thread = self
            .thread
            .as_ref()
            .is_none_or(|wanted| wanted.is_match(&track.name));
        let process = self.process.as_ref().is_none_or(|wanted| {
            let process = trace.tracks.process(track.process);
            process.is_some_and(|process| matches_process(wanted, process))
        });
        thread && process
    }
}

/// Whether a process is selected by [`Selection::process`].
pub(crate) fn matches_process(wanted: &Regex, process: &ProcessInfo) -> bool {
    let name = format!("{}[{}]", process.name, process.pid);
    let place = &process.place;
    [&name, &process.cmdline, &place.container, &place.cgroup]
        .iter()
        .any(|text| wanted.is_match(text))
}
