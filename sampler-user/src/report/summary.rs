//! The summary of a whole recording, in words. It refuses to leave out a loss.

use std::fmt;
use std::time::Duration;

use sampler_common::counter::Counter;

use super::account::Account;
use super::pass_counts::PassCounts;
use crate::bpf::counters::CounterValues;
use crate::escape::escape_for_terminal;
use crate::symbolize::Counts;

/// One process in the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSummary {
    /// Thread group id.
    pub tgid: u32,
    /// Its name.
    pub name: String,
    /// Its version of Python.
    pub python: String,
    /// Its pid inside and its container; empty for a process of the host.
    pub inside: String,
    /// Its samples.
    pub account: Account,
}

/// A whole recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How long it took.
    pub elapsed: Duration,
    /// Ticks a second on each CPU.
    pub hz: u32,
    /// The processes that had samples.
    pub processes: Vec<ProcessSummary>,
    /// Samples of processes that were gone before anything was known of them.
    pub without_process: u64,
    /// The kernel side's statistics.
    pub kernel: CounterValues,
    /// Passes over waiting threads, where there were any.
    pub passes: Option<PassCounts>,
    /// Why stacks were walked without `bpf_loop`, if they were.
    pub without_loop: Option<String>,
    /// What had no name.
    pub names: Counts,
    /// Samples that came too late to be put into the timeline.
    pub late: u64,
    /// Records that made no sense.
    pub undecodable: u64,
    /// Processes that could not be sampled, with the reason.
    pub not_sampled: Vec<String>,
}

impl Summary {
    /// All processes' samples together.
    pub fn total(&self) -> Account {
        let mut total = Account::default();
        for process in &self.processes {
            total.add(&process.account);
        }
        total
    }

    /// Samples taken that did not reach user space.
    pub fn lost(&self) -> u64 {
        self.kernel.get(Counter::LostRing)
    }

    /// The counts as a document: what the trace carries.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = self.total().counts();
        counts.extend([
            ("without_process", self.without_process),
            ("late", self.late),
            ("undecodable", self.undecodable),
            ("unknown_frames", self.names.unknown_frames),
            ("read_from_process", self.names.read_from_process),
            ("sources_unanswered", self.names.sources_unanswered),
            ("read_elsewhere", self.names.read_elsewhere),
            ("code_without_lines", self.names.without_lines),
        ]);
        counts.extend(
            Counter::ALL
                .iter()
                .map(|it| (it.name(), self.kernel.get(*it))),
        );
        counts.push((
            "walked_without_loop",
            u64::from(self.without_loop.is_some()),
        ));
        if let Some(passes) = &self.passes {
            counts.extend([
                ("passes", passes.run),
                ("passes_skipped", passes.skipped),
                ("passes_failed", passes.failed),
                (
                    "passes_from_user_space",
                    u64::from(passes.from_user_space.is_some()),
                ),
            ]);
        }
        counts
    }
}

/// Processes listed one by one.
const LISTED: usize = 20;

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        writeln!(
            out,
            "{:.1} s at {} Hz: {} of {} in {}",
            self.elapsed.as_secs_f64(),
            self.hz,
            counted(total.shown(), "sample"),
            counted(self.processes.len() as u64, "process"),
            counted(total.threads.into(), "thread"),
        )?;
        for process in self.processes.iter().take(LISTED) {
            let account = &process.account;
            write!(
                out,
                "  {:>7} {:<20} {:<8} {:>8} {:>6}",
                process.tgid,
                escape_for_terminal(&process.name),
                process.python,
                counted(account.shown(), "sample"),
                counted(account.threads.into(), "thread"),
            )?;
            if !process.inside.is_empty() {
                write!(out, "; {}", escape_for_terminal(&process.inside))?;
            }
            if account.refused() > 0 {
                write!(out, "; not shown: {}", account.refusals_in_words())?;
            }
            writeln!(out)?;
        }
        if self.processes.len() > LISTED {
            writeln!(out, "  and {} more", self.processes.len() - LISTED)?;
        }
        for line in &self.not_sampled {
            writeln!(out, "  not sampled: {}", escape_for_terminal(line))?;
        }
        if let Some(reason) = &self.without_loop {
            let reason = escape_for_terminal(reason);
            writeln!(out, "  stacks were walked by calls: {reason}")?;
        }
        let passes = self.passes.as_ref();
        if let Some(reason) = passes.and_then(|it| it.from_user_space.as_deref()) {
            let reason = escape_for_terminal(reason);
            writeln!(
                out,
                "  waiting threads were looked at from user space: {reason}"
            )?;
        }
        self.losses(out, &total)
    }
}

impl Summary {
    fn losses(&self, out: &mut fmt::Formatter<'_>, total: &Account) -> fmt::Result {
        let kernel = |counter| self.kernel.get(counter);
        let losses = [
            (self.lost(), "lost: the ring buffer was full"),
            (
                self.without_process,
                "dropped: their process was gone before it was known",
            ),
            (self.late, "dropped: they came too late"),
            (self.undecodable, "dropped: the record made no sense"),
            (total.truncated, "cut: deeper than 1024 frames"),
            (total.cut_by_fault, "cut: an outer frame could not be read"),
            (
                kernel(Counter::TaskFault),
                "not taken: the kernel's record of the thread was unreadable",
            ),
        ];
        let mut any = false;
        for (count, what) in losses.into_iter().filter(|(count, _)| *count > 0) {
            any = true;
            writeln!(out, "  {} {what}", counted(count, "sample"))?;
        }
        let passes = self.passes.clone().unwrap_or_default();
        for (count, what) in [
            (passes.skipped, "left out: the one before took too long"),
            (passes.failed, "failed"),
        ] {
            if count > 0 {
                any = true;
                writeln!(
                    out,
                    "  {} over waiting threads {what}",
                    counted(count, "pass")
                )?;
            }
        }
        let unknown = self.names.unknown_frames;
        if unknown > 0 {
            any = true;
            writeln!(out, "  {} shown without a name", counted(unknown, "frame"))?;
        }
        let unanswered = self.names.sources_unanswered;
        if unanswered > 0 {
            any = true;
            writeln!(
                out,
                "  {} shown without text: no answer in time, a file system may hang",
                counted(unanswered, "source file")
            )?;
        }
        for (counter, what) in [
            (
                Counter::LostLifecycle,
                "starts or ends of processes went unnoticed",
            ),
            (
                Counter::ProcessTableFull,
                "processes not followed: too many at once",
            ),
        ] {
            if kernel(counter) > 0 {
                any = true;
                writeln!(out, "  {} {what}", kernel(counter))?;
            }
        }
        if any {
            Ok(())
        } else {
            writeln!(out, "  nothing lost")
        }
    }
}

/// `1 sample`, `2 samples`, `2 processes`.
fn counted(number: u64, noun: &str) -> String {
    let plural = if noun.ends_with('s') { "es" } else { "s" };
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_without_bpf_loop_is_named_with_its_reason() {
        let mut summary = Summary::default();
        assert!(!summary.to_string().contains("by calls"));
        assert!(summary.counts().contains(&("walked_without_loop", 0)));
        summary.without_loop = Some("this kernel\nis old".into());
        let text = summary.to_string();
        assert!(
            text.contains("walked by calls: this kernel\\nis old\n"),
            "{text}"
        );
        assert!(summary.counts().contains(&("walked_without_loop", 1)));
    }

    #[test]
    fn passes_from_user_space_are_named_with_their_reason() {
        let mut summary = Summary {
            passes: Some(PassCounts::default()),
            ..Summary::default()
        };
        assert!(!summary.to_string().contains("user space"));
        summary.passes = Some(PassCounts {
            from_user_space: Some("this kernel\nis old".into()),
            ..PassCounts::default()
        });
        let text = summary.to_string();
        assert!(
            text.contains("looked at from user space: this kernel\\nis old\n"),
            "{text}"
        );
        assert!(summary.counts().contains(&("passes_from_user_space", 1)));
    }
}
