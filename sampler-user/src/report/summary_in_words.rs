//! The summary of a whole recording, in words. It refuses to leave out a loss.

use std::fmt;
use std::time::Duration;

use sampler_common::counter::Counter;

use super::summary::{ProcessSummary, Summary};
use crate::account::Refused;
use crate::escape::escape_for_terminal;

/// Processes listed one by one.
const LISTED: usize = 20;

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = &self.total;
        writeln!(
            out,
            "{:.1} s at {} Hz: {} of {} in {}",
            self.elapsed.as_secs_f64(),
            self.rate.hz,
            counted(total.shown(), "sample"),
            counted(self.sampled as u64, "process"),
            counted(total.threads.into(), "thread"),
        )?;
        self.rates(out)?;
        for process in self.processes.iter().take(LISTED) {
            write!(
                out,
                "  {:>7} {:<20} {:<8}",
                process.tgid,
                escape_for_terminal(&process.name),
                process.python,
            )?;
            of_process(out, process)?;
        }
        let more = self.sampled.saturating_sub(LISTED);
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
        for line in &self.not_sampled {
            writeln!(out, "  not sampled: {}", escape_for_terminal(line))?;
        }
        if let Some(reason) = &self.taking.without_loop {
            let reason = escape_for_terminal(reason);
            writeln!(out, "  stacks were walked by calls: {reason}")?;
        }
        let passes = self.taking.passes.as_ref();
        if let Some(reason) = passes.and_then(|it| it.from_user_space.as_deref()) {
            let reason = escape_for_terminal(reason);
            writeln!(
                out,
                "  waiting threads were looked at from user space: {reason}"
            )?;
        }
        self.losses(out)?;
        self.idleness(out)
    }
}

/// A share of one CPU, below which most of what can be asked of a recording is
/// not in one of what runs.
const IDLE: f64 = 0.1;

/// What came of the samples of a process: what is not 0.
fn of_process(out: &mut fmt::Formatter<'_>, process: &ProcessSummary) -> fmt::Result {
    let account = &process.account;
    write!(
        out,
        " {:>8} {:>6}",
        counted(account.shown(), "sample"),
        counted(account.threads.into(), "thread"),
    )?;
    if !process.inside.is_empty() {
        write!(out, "; {}", escape_for_terminal(&process.inside))?;
    }
    if account.lost > 0 {
        write!(out, "; lost: {}", account.lost)?;
    }
    if account.refused() > 0 {
        write!(out, "; not shown: {}", account.refusals_in_words())?;
    }
    writeln!(out)
}

/// How late samples may be read without a word about it. They wait for each other
/// in order to be cheap.
const PUNCTUAL: Duration = Duration::from_secs(2);

impl Summary {
    /// How the rate was lowered.
    fn rates(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(last), Some(limit)) = (self.rate.changes.last(), self.rate.max_cpu) else {
            return Ok(());
        };
        let slowest = self.rate.changes.iter().max_by_key(|rate| rate.period);
        write!(
            out,
            "  the rate was lowered to {} Hz, since sampling may take {} of a CPU (--max-cpu)",
            slowest.unwrap_or(last).hz_in_words(),
            percent_in_words(limit)
        )?;
        if self.rate.changes.len() > 1 {
            write!(out, "; at the end it was {} Hz", last.hz_in_words())?;
        }
        writeln!(out)
    }

    /// What to do where little ran, and what waits was not looked at.
    fn idleness(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticks = f64::from(self.rate.hz) * self.elapsed.as_secs_f64();
        let share = self.total.shown() as f64 / ticks.max(1.0);
        if self.taking.passes.is_some() || !self.rate.changes.is_empty() || share >= IDLE {
            return Ok(());
        }
        writeln!(
            out,
            "  {:.1} % of a CPU was used; --mode wall shows what waits, and for what",
            share * 100.0
        )
    }

    fn losses(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = |counter| self.taking.counters.get(counter);
        let total = &self.total;
        let mut any = false;
        let of = |reason| total.refused.get(&reason).copied().unwrap_or(0);
        let losses = [
            (
                total.lost,
                "lost: the ring buffer was full; a larger one (--buffer) holds more",
            ),
            (
                of(Refused::WithoutProcess),
                "dropped: their process was gone before it was known",
            ),
            (of(Refused::Late), "dropped: they came too late"),
            (
                of(Refused::Undecodable),
                "dropped: the record made no sense",
            ),
            (
                of(Refused::NoRoom),
                "dropped: the trace has as many threads as one can have",
            ),
            (
                of(Refused::Unreadable),
                "not taken: the kernel's record of the thread was unreadable",
            ),
            (
                of(Refused::Unfinished),
                "not finished when the recording ended",
            ),
            (total.truncated, "cut: deeper than 1024 frames"),
            (total.cut_by_fault, "cut: an outer frame could not be read"),
            (total.unknown_code, "shown with a frame that has no name"),
        ];
        for (count, what) in losses.into_iter().filter(|(count, _)| *count > 0) {
            any = true;
            writeln!(out, "  {} {what}", counted(count, "sample"))?;
        }
        let elsewhere = of(Refused::WithoutInterpreter);
        if elsewhere > 0 {
            let what = Refused::WithoutInterpreter.in_words();
            writeln!(out, "  {} {what}", counted(elsewhere, "sample"))?;
        }
        if total.behind > PUNCTUAL {
            any = true;
            let behind = total.behind.as_secs_f64();
            writeln!(out, "  samples were read up to {behind:.1} s late")?;
        }
        let passes = self.taking.passes.clone().unwrap_or_default();
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

/// A share of a CPU: `5 %`, `0.5 %`.
pub fn percent_in_words(share: f64) -> String {
    let percent = (share * 1e4).round() / 100.0;
    format!("{percent} %")
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
    use crate::account::Account;
    use crate::report::{PassCounts, RateSummary};
    use crate::timeline::KernelTime;
    use crate::trace::RateChange;

    #[test]
    fn a_walk_without_bpf_loop_is_named_with_its_reason() {
        let mut summary = Summary::default();
        assert!(!summary.to_string().contains("by calls"));
        assert!(summary.counts().contains(&("walked_without_loop", 0)));
        summary.taking.without_loop = Some("this kernel\nis old".into());
        let text = summary.to_string();
        assert!(
            text.contains("walked by calls: this kernel\\nis old\n"),
            "{text}"
        );
        assert!(summary.counts().contains(&("walked_without_loop", 1)));
    }

    #[test]
    fn where_little_ran_there_is_another_mode() {
        let mut summary = Summary {
            elapsed: Duration::from_secs(10),
            rate: RateSummary {
                hz: 10,
                ..RateSummary::default()
            },
            ..Summary::default()
        };
        summary.total.whole = 2;
        let text = summary.to_string();
        assert!(
            text.contains("  2.0 % of a CPU was used; --mode wall"),
            "{text}"
        );
        summary.total.whole = 50;
        assert!(!summary.to_string().contains("--mode wall"));
        summary.total.whole = 2;
        summary.taking.passes = Some(PassCounts::default());
        assert!(!summary.to_string().contains("--mode wall"));
    }

    #[test]
    fn passes_from_user_space_are_named_with_their_reason() {
        let mut summary = Summary::default();
        summary.taking.passes = Some(PassCounts::default());
        assert!(!summary.to_string().contains("user space"));
        summary.taking.passes = Some(PassCounts {
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

    #[test]
    fn what_is_missing_is_said_and_nothing_else() {
        let mut summary = Summary {
            sampled: 1,
            ..Summary::default()
        };
        assert!(summary.to_string().contains("  nothing lost\n"));
        let account = Account {
            taken: 12,
            lost: 3,
            whole: 7,
            refused: [(Refused::Late, 2)].into(),
            behind: Duration::from_millis(3210),
            ..Account::default()
        };
        assert!(account.is_balanced());
        summary.total = account.clone();
        summary.processes = vec![ProcessSummary {
            tgid: 7,
            name: "web".into(),
            python: "3.12.1".into(),
            inside: String::new(),
            account,
        }];
        let text = summary.to_string();
        for part in [
            "; lost: 3; not shown: 2 that came too late\n",
            "  3 samples lost: the ring buffer was full",
            "  2 samples dropped: they came too late\n",
            "  samples were read up to 3.2 s late\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("rate") && !text.contains("cut"), "{text}");
        summary.rate.max_cpu = Some(0.05);
        let rate = |milliseconds| RateChange {
            time: KernelTime(0),
            period: Duration::from_millis(milliseconds),
        };
        summary.rate.changes = vec![rate(8), rate(2)];
        let text = summary.to_string();
        let lowered = "lowered to 125 Hz, since sampling may take 5 % of a CPU (--max-cpu); \
                       at the end it was 500 Hz";
        assert!(text.contains(lowered), "{text}");
    }
}
