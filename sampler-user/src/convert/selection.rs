//! Which part of a trace is wanted: times, threads, processes. It refuses to
//! know what is done with it.

use std::str::FromStr;
use std::time::Duration;

use regex::Regex;

use crate::output::TraceView;
use crate::timeline::{KernelTime, TrackId};
use crate::trace::{Trace, TraceInfo};

/// Numbers from here on are Unix times: the year 2001. No recording is that
/// long.
const UNIX_FROM: f64 = 1e9;

/// The wanted part. The default is all of it.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What lies before is left out.
    pub from: Option<TimePoint>,
    /// What lies after is left out.
    pub to: Option<TimePoint>,
    /// Matches somewhere in the names of the wanted threads.
    pub thread: Option<Regex>,
    /// Matches somewhere in `name[pid]` or the command line of the wanted
    /// processes.
    pub process: Option<Regex>,
}

/// Into how many files a trace is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// One.
    #[default]
    No,
    /// One for each process.
    Process,
    /// One for each thread.
    Thread,
}

/// A moment of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// This long after the trace's start.
    SinceStart(Duration),
    /// Unix time, in microseconds.
    Unix(u64),
}

/// A text that is no moment of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text}: not a time; give seconds since the start (12.5), a duration (1m 30s) or Unix time in seconds"
)]
pub struct TimePointError {
    /// The text.
    pub text: String,
}

impl FromStr for TimePoint {
    type Err = TimePointError;

    fn from_str(text: &str) -> Result<Self, TimePointError> {
        let wrong = || TimePointError {
            text: text.to_owned(),
        };
        let Ok(seconds) = text.parse::<f64>() else {
            return humantime::parse_duration(text)
                .map(Self::SinceStart)
                .map_err(|_| wrong());
        };
        if seconds >= UNIX_FROM && seconds < 9e9 {
            return Ok(Self::Unix((seconds * 1e6).round() as u64));
        }
        Duration::try_from_secs_f64(seconds)
            .map(Self::SinceStart)
            .map_err(|_| wrong())
    }
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
    /// The wanted part of a trace.
    #[must_use]
    pub fn view<'a>(&self, trace: &'a Trace) -> TraceView<'a> {
        let from = self
            .from
            .map_or(KernelTime(0), |from| from.in_trace(&trace.info));
        let to = self
            .to
            .map_or(trace.summary.end, |to| to.in_trace(&trace.info));
        TraceView::new(trace, from, to, |id| self.wants(trace, id))
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
            trace.tracks.process(track.process).is_some_and(|process| {
                let name = format!("{}[{}]", process.name, process.pid);
                wanted.is_match(&name) || wanted.is_match(&process.cmdline)
            })
        });
        thread && process
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::TimePoint;

    #[test]
    fn times_are_seconds_durations_or_unix_times() {
        let since = |milliseconds| Ok(TimePoint::SinceStart(Duration::from_millis(milliseconds)));
        assert_eq!("12.5".parse(), since(12_500));
        assert_eq!("0".parse(), since(0));
        assert_eq!("1m 30s".parse(), since(90_000));
        assert_eq!(
            "1352241181.539376".parse(),
            Ok(TimePoint::Unix(1_352_241_181_539_376))
        );
        for wrong in ["", "-1", "nan", "inf", "1e300", "soon"] {
            assert!(wrong.parse::<TimePoint>().is_err(), "{wrong}");
        }
    }
}
