// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a report as text for a terminal. Nothing that a terminal would obey is written.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use crate::analysis::account_text::account;
use crate::analysis::functions::FunctionTimes;
use crate::analysis::place::CodePlace;
use crate::analysis::text_values::{percent, place, seconds, shown};
use crate::analysis::threads::{BASE_PERCENT, ProcessTimes, ThreadTimes};
use crate::analysis::times::StateTimes;
use crate::analysis::{Analysis, TraceOverview};
use crate::model::row::State;

/// The last moment that is written as a date: the end of the year 9999, in microseconds
/// of Unix time.
const LAST_DATE: u64 = 253_402_300_799_000_000;
/// The most frames of a base that are named, apart from the last.
const BASE_FRAMES: usize = 3;

/// The text of a report, with at most `top` entries in each list.
pub struct Report<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) top: usize,
}

impl Analysis {
    /// Returns the text, with at most `top` entries in each list.
    #[must_use]
    pub fn report(&self, top: usize) -> Report<'_> {
        Report {
            analysis: self,
            top,
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let analysis = self.analysis;
        recording(out, &analysis.recording)?;
        let all = analysis.times.total();
        if all == 0 {
            return writeln!(out, "\nNo thread had a stack.");
        }
        self.threads(out)?;
        writeln!(out, "\nMost time of their own (of {}):", seconds(all))?;
        let own = analysis.functions.iter().filter(|of| of.own_us > 0);
        self.functions(out, own, all)?;
        writeln!(out, "\nMost time with all they called, above the base:")?;
        let mut by_total: Vec<_> = analysis.functions.iter().collect();
        by_total.sort_by_key(|of| std::cmp::Reverse(of.total_us));
        let total = by_total.into_iter().filter(|of| of.total_us > 0);
        self.functions(out, total, all)?;
        self.heaviest(out, all)?;
        account(out, analysis, self.top)
    }
}

/// Writes when, for how long and how a trace was recorded.
pub(super) fn recording(out: &mut fmt::Formatter<'_>, of: &TraceOverview) -> fmt::Result {
    write!(out, "{}", seconds(of.length_us))?;
    if of.start_us > 0 {
        let start = UNIX_EPOCH + Duration::from_micros(of.start_us.min(LAST_DATE));
        write!(out, " from {}", humantime::format_rfc3339_seconds(start))?;
    }
    if !of.info.host.is_empty() {
        write!(out, " on {}", shown(&of.info.host))?;
    }
    write!(out, ", {} mode", of.mode)?;
    if of.info.hz > 0 {
        write!(out, ", {} Hz", of.info.hz)?;
    }
    let asked = Duration::from_nanos(of.info.period_ns());
    let slowest = of.rates.iter().max_by_key(|rate| rate.period);
    if let Some(slowest) = slowest.filter(|rate| rate.period > asked) {
        write!(out, ", lowered to {} Hz", slowest.hz_text())?;
    }
    let fastest = of.rates.iter().min_by_key(|rate| rate.period);
    if let Some(fastest) = fastest.filter(|rate| rate.period < asked) {
        write!(out, ", raised to {} Hz", fastest.hz_text())?;
    }
    writeln!(out, ", {} threads", of.threads)?;
    if of.torn {
        writeln!(out, "The file is cut off: this is what it has up to there.")?;
    }
    Ok(())
}

impl Report<'_> {
    fn threads(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "\nThreads (of the {} of the trace):",
            seconds(self.analysis.recording.length_us)
        )?;
        writeln!(out, "  {:>7} {:>8}  ", "running", "waiting")?;
        let mut left = self.top;
        let all: usize = self
            .analysis
            .processes
            .iter()
            .map(|of| of.threads.len())
            .sum();
        for process in &self.analysis.processes {
            if left == 0 {
                break;
            }
            self.process(out, process)?;
            for thread in process.threads.iter().take(left) {
                self.thread(out, thread)?;
            }
            left = left.saturating_sub(process.threads.len());
        }
        match all.saturating_sub(self.top) {
            0 => Ok(()),
            more => writeln!(out, "  and {more} more threads"),
        }
    }

    fn process(&self, out: &mut fmt::Formatter<'_>, of: &ProcessTimes) -> fmt::Result {
        let name = if of.name.is_empty() {
            "a process"
        } else {
            &of.name
        };
        write!(out, "                    {}", shown(name))?;
        if of.pid > 0 {
            write!(out, "[{}]", of.pid)?;
        }
        let inside = of.place.inside();
        if !inside.is_empty() {
            write!(out, " ({})", shown(&inside))?;
        }
        if !of.python.is_empty() {
            write!(out, ", Python {}", shown(&of.python))?;
        }
        if let Some(cpu) = &of.cpu {
            write!(out, ": {}", cpu.describe())?;
        }
        writeln!(out)?;
        if let Some(warning) = of.cpu.and_then(|cpu| cpu.check.warning()) {
            writeln!(out, "                      {warning}")?;
        }
        Ok(())
    }

    fn thread(&self, out: &mut fmt::Formatter<'_>, of: &ThreadTimes) -> fmt::Result {
        let length = self.analysis.recording.length_us;
        let (running, waiting) = (of.times.running(), of.times.waiting());
        write!(
            out,
            "  {:>7} {:>8}  ",
            percent(running, length),
            percent(waiting, length)
        )?;
        let name = if of.name.is_empty() {
            "a thread"
        } else {
            &of.name
        };
        write!(out, "    {}", shown(name))?;
        let reasons = reasons(&of.times, length);
        if !reasons.is_empty() {
            write!(out, " ({reasons})")?;
        }
        if let Some(cpu) = of.cpu {
            write!(out, ": {} of CPU", seconds(cpu.cpu_us()))?;
        }
        writeln!(out)?;
        if !of.base.is_empty() {
            writeln!(out, "                      base: {}", base(&of.base))?;
        }
        Ok(())
    }

    fn functions<'a>(
        &self,
        out: &mut fmt::Formatter<'_>,
        functions: impl Iterator<Item = &'a FunctionTimes>,
        all: u64,
    ) -> fmt::Result {
        let waits = self.analysis.times.waiting() > 0;
        let has_system = self.analysis.times.system() > 0;
        write!(out, "  {:>7} {:>10}", "own", "")?;
        if waits {
            write!(out, " {:>8}", "running")?;
        }
        if has_system {
            write!(out, " {:>8}", "system")?;
        }
        writeln!(out, " {:>7} {:>10}", "total", "")?;
        let mut functions = functions.peekable();
        for function in functions.by_ref().take(self.top) {
            let (own, total) = (function.own_us, function.total_us);
            write!(out, "  {:>7} {:>10}", percent(own, all), seconds(own))?;
            if waits {
                write!(out, " {:>8}", percent(function.own_running_us, all))?;
            }
            if has_system {
                write!(out, " {:>8}", percent(function.own_system_us, all))?;
            }
            write!(out, " {:>7} {:>10}", percent(total, all), seconds(total))?;
            writeln!(out, "  {}", place(&function.place))?;
        }
        match functions.count() {
            0 => Ok(()),
            more => writeln!(out, "  and {more} more functions"),
        }
    }

    fn heaviest(&self, out: &mut fmt::Formatter<'_>, all: u64) -> fmt::Result {
        writeln!(out, "\nThe heaviest path:")?;
        let path = &self.analysis.heaviest;
        let whole = path.first().map_or(0, |step| step.total_us);
        let shared = path
            .iter()
            .take_while(|step| {
                u128::from(step.total_us) * 100 >= u128::from(whole) * u128::from(BASE_PERCENT)
            })
            .count();
        // The frames between the first and the last that have nearly all of the time.
        let folded = shared.saturating_sub(2);
        for (position, step) in path.iter().enumerate() {
            if (1..=folded).contains(&position) && folded > 1 {
                if position == 1 {
                    writeln!(out, "           … {folded} frames with the same time")?;
                }
                continue;
            }
            let total = percent(step.total_us, all);
            write!(out, "  {total:>7}  {}", place(&step.place))?;
            if !step.place.source.is_empty() {
                write!(out, "  {}", shown(&step.place.source))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Describes a base by its innermost frames, the last one with its place. Frames further
/// out say less, and are only counted.
fn base(frames: &[CodePlace]) -> String {
    let Some((last, outer)) = frames.split_last() else {
        return String::new();
    };
    let unnamed = outer.len().saturating_sub(BASE_FRAMES);
    let mut text = match unnamed {
        0 => String::new(),
        1 => "1 frame > ".to_owned(),
        _ => format!("{unnamed} frames > "),
    };
    for frame in outer.iter().skip(unnamed) {
        text.push_str(&shown(&frame.function));
        text.push_str(" > ");
    }
    text + &place(last)
}

/// Describes what a thread waited for, the longest first: `lock 12 %, I/O 3 %`.
fn reasons(times: &StateTimes, length: u64) -> String {
    let mut reasons: Vec<_> = times
        .iter()
        .filter(|(state, _)| !matches!(state, State::Running | State::None))
        .collect();
    reasons.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(state, time)| format!("{} {}", state.name(), percent(*time, length)))
        .collect();
    reasons.join(", ")
}
