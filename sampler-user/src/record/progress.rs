// SPDX-License-Identifier: MIT OR Apache-2.0

//! A line on the terminal that shows how a recording goes, and disappears when it ends.

use std::io::{self, IsTerminal as _, Stderr, Write};
use std::time::Duration;

use sampler_trace::container::info::RateChange;
use sampler_trace::model::identifiers::KernelTime;

use crate::platform::console::{CONSOLE, Console};

/// What the line shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressFacts {
    /// The time since the recording began.
    pub elapsed: Duration,
    /// Python processes that are followed now.
    pub processes: usize,
    /// Threads that have a row in the timeline.
    pub threads: usize,
    /// Samples received since the recording began.
    pub samples: u64,
    /// Samples lost since the recording began.
    pub lost: u64,
    /// The time between two samples, if it is longer than was asked for.
    pub lowered: Option<Duration>,
}

/// How the terminal may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Not at all: it is no terminal, or a dumb one, or `--quiet` was given.
    Silent,
    /// The line, without colour.
    Plain,
    /// The line, with losses in yellow.
    Coloured,
}

/// The progress line. Dropping it clears it.
#[derive(Debug)]
pub struct ProgressLine<'a, W: Write> {
    console: &'a Console<W>,
    style: Style,
    previous: ProgressFacts,
}

impl ProgressLine<'static, Stderr> {
    /// Returns the line on standard error. It is shown if that is a terminal that can
    /// rewrite a line (`TERM` is not `dumb`) and neither `--quiet` nor JSON was
    /// asked for. `NO_COLOR`, when
    /// set to anything, turns colour off.
    pub fn on_standard_error() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        let style = style(
            CONSOLE.is_without_progress(),
            io::stderr().is_terminal() && !dumb,
            set("NO_COLOR").is_some(),
        );
        Self::new(&CONSOLE, style)
    }
}

fn style(quiet: bool, terminal: bool, no_color: bool) -> Style {
    match (quiet || !terminal, no_color) {
        (true, _) => Style::Silent,
        (false, true) => Style::Plain,
        (false, false) => Style::Coloured,
    }
}

impl<'a, W: Write> ProgressLine<'a, W> {
    fn new(console: &'a Console<W>, style: Style) -> Self {
        Self {
            console,
            style,
            previous: ProgressFacts::default(),
        }
    }

    /// Whether anything is ever shown; if not, nobody needs to gather facts.
    pub fn is_shown(&self) -> bool {
        self.style != Style::Silent
    }

    /// Rewrites the line.
    pub fn update(&mut self, facts: ProgressFacts) {
        if self.is_shown() {
            let line = render(&facts, &self.previous, self.style);
            self.console.progress(&line);
        }
        self.previous = facts;
    }
}

impl<W: Write> Drop for ProgressLine<'_, W> {
    fn drop(&mut self) {
        self.console.clear_progress();
    }
}

/// Renders the line, in under 80 columns for any counts that occur: a line that wraps
/// cannot be rewritten.
fn render(now: &ProgressFacts, before: &ProgressFacts, style: Style) -> String {
    let seconds = now.elapsed.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rate = now
        .elapsed
        .checked_sub(before.elapsed)
        .map(|span| span.as_millis())
        .filter(|&span| span > 0)
        .map_or(0, |span| {
            u128::from(now.samples.saturating_sub(before.samples)) * 1000 / span
        });
    let (paint, plain) = match style {
        Style::Coloured if now.lost > 0 => ("\x1b[33m", "\x1b[0m"),
        _ => ("", ""),
    };
    let lowered = now.lowered.map_or(String::new(), |period| {
        let time = KernelTime(0);
        let hz = RateChange { time, period }.hz_text();
        format!(" (at {hz} Hz)")
    });
    format!(
        "{hours:02}:{minutes:02}:{:02}  {}, {}, {rate} samples/s{lowered}, {paint}{} lost{plain}",
        seconds % 60,
        counted(now.processes, "process", "processes"),
        counted(now.threads, "thread", "threads"),
        now.lost,
    )
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(seconds: u64, samples: u64, lost: u64) -> ProgressFacts {
        let elapsed = Duration::from_secs(seconds);
        ProgressFacts {
            elapsed,
            processes: 1,
            threads: 12,
            samples,
            lost,
            lowered: None,
        }
    }

    #[test]
    fn a_lowered_rate_is_shown() {
        let facts = ProgressFacts {
            lowered: Some(Duration::from_micros(800)),
            ..facts(1, 20, 0)
        };
        let line = render(&facts, &ProgressFacts::default(), Style::Plain);
        assert!(
            line.ends_with("20 samples/s (at 1250 Hz), 0 lost"),
            "{line}"
        );
    }

    #[test]
    fn rewrites_one_line_and_clears_it() {
        let console = Console::new(Vec::new());
        let mut line = ProgressLine::new(&console, Style::Plain);
        line.update(facts(1, 20, 0));
        line.update(facts(3661, 36_620, 4));
        drop(line);
        let text = String::from_utf8(console.into_inner()).expect("is text");
        assert_eq!(
            text,
            "\r00:00:01  1 process, 12 threads, 20 samples/s, 0 lost\x1b[K\
             \r01:01:01  1 process, 12 threads, 10 samples/s, 4 lost\x1b[K\
             \r\x1b[K"
        );
    }

    #[test]
    fn says_nothing_where_nothing_may_be_said() {
        for (quiet, terminal) in [(true, true), (false, false), (true, false)] {
            let console = Console::new(Vec::new());
            let mut line = ProgressLine::new(&console, style(quiet, terminal, false));
            assert!(!line.is_shown());
            line.update(facts(1, 20, 3));
            drop(line);
            assert!(console.into_inner().is_empty());
        }
    }

    #[test]
    fn losses_are_yellow_unless_colour_is_unwanted() {
        let line = |style, lost| render(&facts(1, 1, lost), &ProgressFacts::default(), style);
        assert!(line(style(false, true, false), 2).ends_with("\x1b[33m2 lost\x1b[0m"));
        assert!(line(style(false, true, false), 0).ends_with(", 0 lost"));
        assert!(line(style(false, true, true), 2).ends_with(", 2 lost"));
    }

    #[test]
    fn counts_that_go_back_and_a_clock_that_stands_still_do_no_harm() {
        let line = render(&facts(5, 10, 0), &facts(5, 99, 0), Style::Plain);
        assert!(line.contains(" 0 samples/s"), "{line}");
        let line = render(&facts(4, u64::MAX, 0), &facts(3, 0, 0), Style::Plain);
        assert!(line.contains("18446744073709551615 samples/s"), "{line}");
    }
}
