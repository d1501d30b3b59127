// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes the summary of a recording as text. Every loss is named.

use std::fmt;
use std::time::Duration;

use sampler_common::counter::Counter;
use sampler_trace::account::Account;
use sampler_trace::account::cpu_time::CpuCheck;
use sampler_trace::account::drop_reason::{DropReason, PartialReason};
use sampler_trace::escape::escape_for_terminal;

use crate::record::report::summary::{ProcessSummary, RecordingSummary};

/// The most processes that are listed one by one.
const LISTED: usize = 20;

impl fmt::Display for RecordingSummary {
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
            self.of_process(out, process)?;
        }
        let more = self.sampled.saturating_sub(LISTED);
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
        for line in &self.not_sampled {
            writeln!(out, "  not sampled: {}", escape_for_terminal(line))?;
        }
        if let Some(reason) = &self.capture.without_loop {
            let reason = escape_for_terminal(reason);
            writeln!(out, "  stacks were walked without bpf_loop: {reason}")?;
        }
        let scans = self.capture.scans.as_ref();
        if let Some(reason) = scans.and_then(|it| it.from_user_space.as_deref()) {
            let reason = escape_for_terminal(reason);
            writeln!(out, "  waiting threads were read from user space: {reason}")?;
        }
        self.losses(out)?;
        self.idleness(out)
    }
}

/// The share of one CPU below which `--mode wall` is suggested: with so little running,
/// most questions about a recording are not answered by what runs.
const IDLE: f64 = 0.1;

/// How late samples may be read without being reported. They are read in batches, because
/// that is cheap.
const PUNCTUAL: Duration = Duration::from_secs(2);

impl RecordingSummary {
    /// Writes what became of the samples of a process, without counts that are 0.
    fn of_process(&self, out: &mut fmt::Formatter<'_>, process: &ProcessSummary) -> fmt::Result {
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
        let check = self.cpu_check(account);
        if check.is_known() {
            write!(out, "; {check}")?;
        }
        if account.lost > 0 {
            write!(out, "; lost: {}", account.lost)?;
        }
        if account.dropped() > 0 {
            write!(out, "; not shown: {}", account.describe_dropped())?;
        }
        writeln!(out)?;
        if let Some(warning) = check.warning() {
            writeln!(out, "          {warning}")?;
        }
        Ok(())
    }

    /// Compares the kernel's CPU time of a process with that of its samples.
    fn cpu_check(&self, account: &Account) -> CpuCheck {
        let slowest = self.rate.changes.iter().map(|rate| rate.period).max();
        let period = Duration::from_secs(1) / self.rate.hz.max(1);
        let only_ticks = self.capture.scans.is_none();
        account.cpu_check(slowest.unwrap_or(period).max(period), only_ticks)
    }

    /// Writes how the rate was lowered, if it was.
    fn rates(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(last), Some(limit)) = (self.rate.changes.last(), self.rate.max_cpu) else {
            return Ok(());
        };
        let slowest = self.rate.changes.iter().max_by_key(|rate| rate.period);
        write!(
            out,
            "  the rate was lowered to {} Hz to keep the cost below {} of a CPU (--max-cpu)",
            slowest.unwrap_or(last).hz_text(),
            percent_text(limit)
        )?;
        if self.rate.changes.len() > 1 {
            write!(out, "; at the end it was {} Hz", last.hz_text())?;
        }
        writeln!(out)
    }

    /// Suggests `--mode wall` if little ran and waiting threads were not sampled.
    fn idleness(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticks = f64::from(self.rate.hz) * self.elapsed.as_secs_f64();
        // Threads whose samples are not shown ran all the same.
        let total = &self.total;
        let share = (total.shown() + total.missing()) as f64 / ticks.max(1.0);
        if self.capture.scans.is_some() || !self.rate.changes.is_empty() || share >= IDLE {
            return Ok(());
        }
        writeln!(
            out,
            "  only {:.1} % of a CPU was used; --mode wall shows what threads wait for",
            share * 100.0
        )
    }

    fn losses(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = |counter| self.capture.counters.get(counter);
        let total = &self.total;
        let of = |reason| total.dropped.get(&reason).copied().unwrap_or(0);
        let parts = PartialReason::ALL.map(|reason| (total.partial(reason), reason));
        for (count, reason) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let what = reason.describe();
            writeln!(out, "  {} shown in part: {what}", counted(count, "sample"))?;
        }
        let elsewhere = of(DropReason::Unsupported);
        if elsewhere > 0 {
            let what = DropReason::Unsupported.describe();
            writeln!(out, "  {} {what}", counted(elsewhere, "sample"))?;
        }
        if total.behind > PUNCTUAL {
            let behind = total.behind.as_secs_f64();
            writeln!(out, "  samples were read up to {behind:.1} s late")?;
        }
        let scans = self.capture.scans.clone().unwrap_or_default();
        for (count, what) in [
            (scans.skipped, "skipped: the one before was still running"),
            (scans.failed, "failed"),
        ] {
            if count > 0 {
                writeln!(
                    out,
                    "  {} over waiting threads {what}",
                    counted(count, "scan")
                )?;
            }
        }
        for line in self.capture.cpus.describe(self.elapsed) {
            writeln!(out, "  {line}")?;
        }
        let unanswered = self.names.sources_unanswered;
        if unanswered > 0 {
            writeln!(
                out,
                "  {} shown without text: the file system did not answer in time",
                counted(unanswered, "source file")
            )?;
        }
        let without_lines = self.names.without_lines;
        if without_lines > 0 {
            writeln!(
                out,
                "  {} shown at line 0: the line table is unreadable or larger than 1 MiB",
                counted(without_lines, "code object")
            )?;
        }
        for (counter, what) in [
            (
                Counter::LostLifecycle,
                "process starts or exits were missed",
            ),
            (
                Counter::ProcessTableFull,
                "processes were not followed: too many at once",
            ),
        ] {
            if kernel(counter) > 0 {
                writeln!(out, "  {} {what}", kernel(counter))?;
            }
        }
        if let Some(verdict) = total.verdict() {
            writeln!(out, "  {verdict}")?;
        }
        for advice in total.advice() {
            writeln!(out, "  {advice}")?;
        }
        Ok(())
    }
}

/// Returns a share of a CPU in percent: `5 %`, `0.5 %`.
pub fn percent_text(share: f64) -> String {
    let percent = (share * 1e4).round() / 100.0;
    format!("{percent} %")
}

/// Returns a number with its noun: `1 sample`, `2 samples`, `2 processes`.
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
    use crate::record::report::scan_counts::ScanCounts;
    use crate::record::report::summary::{CaptureSummary, PipelineTotals, RateSummary};
    use sampler_common::counter::CounterValues;
    use sampler_common::fate::Fate;
    use sampler_trace::account::cpu_time::CpuTime;
    use sampler_trace::account::drop_reason::Severity;
    use sampler_trace::container::info::RateChange;
    use sampler_trace::model::identifiers::KernelTime;

    #[test]
    fn a_walk_without_bpf_loop_is_named_with_its_reason() {
        let mut summary = RecordingSummary::default();
        assert!(!summary.to_string().contains("without bpf_loop"));
        assert!(summary.counts().contains(&("walked_without_loop", 0)));
        summary.capture.without_loop = Some("this kernel\nis old".into());
        let text = summary.to_string();
        assert!(
            text.contains("walked without bpf_loop: this kernel\\nis old\n"),
            "{text}"
        );
        assert!(summary.counts().contains(&("walked_without_loop", 1)));
    }

    #[test]
    fn lines_that_are_not_known_are_said() {
        let mut summary = RecordingSummary::default();
        assert!(!summary.to_string().contains("line 0"));
        summary.names.without_lines = 2;
        let text = summary.to_string();
        assert!(
            text.contains("  2 code objects shown at line 0: "),
            "{text}"
        );
    }

    #[test]
    fn where_little_ran_there_is_another_mode() {
        let mut summary = RecordingSummary {
            elapsed: Duration::from_secs(10),
            rate: RateSummary {
                hz: 10,
                ..RateSummary::default()
            },
            ..RecordingSummary::default()
        };
        summary.total.whole = 2;
        let text = summary.to_string();
        assert!(
            text.contains("  only 2.0 % of a CPU was used; --mode wall"),
            "{text}"
        );
        summary.total.whole = 50;
        assert!(!summary.to_string().contains("--mode wall"));
        // It ran as much even if most of it could not be shown.
        summary.total.whole = 2;
        summary.total.add_dropped_n(DropReason::Late, 48);
        assert!(!summary.to_string().contains("--mode wall"));
        summary.total.dropped.clear();
        summary.total.whole = 2;
        summary.capture.scans = Some(ScanCounts::default());
        assert!(!summary.to_string().contains("--mode wall"));
    }

    #[test]
    fn scans_from_user_space_are_named_with_their_reason() {
        let mut summary = RecordingSummary::default();
        summary.capture.scans = Some(ScanCounts::default());
        assert!(!summary.to_string().contains("user space"));
        summary.capture.scans = Some(ScanCounts {
            from_user_space: Some("this kernel\nis old".into()),
            ..ScanCounts::default()
        });
        let text = summary.to_string();
        assert!(
            text.contains("read from user space: this kernel\\nis old\n"),
            "{text}"
        );
        assert!(summary.counts().contains(&("passes_from_user_space", 1)));
    }

    #[test]
    fn every_reason_is_in_the_last_lines() {
        for reason in DropReason::all().filter(|it| *it != DropReason::Lost) {
            let mut summary = RecordingSummary::default();
            summary.total.whole = 100;
            summary.total.add_dropped_n(reason, 900);
            let text = summary.to_string();
            assert!(
                text.contains(&format!(" {}\n", reason.describe())),
                "{text}"
            );
            let is_ours = reason.severity() != Severity::Elsewhere;
            let verdict = "  10.0 % of the samples shown; 900 not: 900 ";
            assert_eq!(text.contains(verdict), is_ours, "{text}");
        }
        for reason in PartialReason::ALL {
            let mut summary = RecordingSummary::default();
            for (is, count) in [
                (PartialReason::TooDeep, &mut summary.total.truncated),
                (PartialReason::OuterFault, &mut summary.total.cut_by_fault),
                (PartialReason::OpenEnd, &mut summary.total.open_ended),
                (PartialReason::NoName, &mut summary.total.unknown_code),
            ] {
                *count = if is == reason { 2 } else { 0 };
            }
            let line = format!("  2 samples shown in part: {}\n", reason.describe());
            let text = summary.to_string();
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn what_the_kernel_side_counts_is_in_every_view_under_one_name() {
        for counter in Counter::ALL {
            let mut counters = CounterValues::default();
            counters.set(counter, 900);
            // Whatever became of them, they were taken.
            counters.set(Counter::Taken, 900);
            let capture = CaptureSummary {
                counters,
                ..CaptureSummary::default()
            };
            let rate = RateSummary::default();
            let summary =
                RecordingSummary::new(Duration::ZERO, PipelineTotals::default(), capture, rate);
            let counts = summary.counts();
            let of_it: Vec<_> = counts.iter().filter(|it| it.0 == counter.name()).collect();
            assert_eq!(of_it, [&(counter.name(), 900)], "{counts:?}");
        }
        for reason in DropReason::of_fates() {
            let fates = Fate::ALL.into_iter();
            let kernel =
                fates.filter(|it| DropReason::from_fate(*it).is_none_or(|of| of == reason));
            let mut account = Account::default();
            account.add_kernel(&kernel.map(|fate| (fate, 900)).collect());
            assert!(account.is_balanced(), "{account:?}");
            let summary = RecordingSummary {
                sampled: 1,
                total: account.clone(),
                processes: vec![ProcessSummary {
                    tgid: 7,
                    name: "web".into(),
                    python: "3.12.1".into(),
                    inside: String::new(),
                    account,
                }],
                ..RecordingSummary::default()
            };
            let text = summary.to_string();
            let line = match reason {
                DropReason::Lost => "; lost: 900\n".to_owned(),
                _ => format!("; not shown: 900 {}\n", reason.describe()),
            };
            assert!(text.contains(&line), "{text}");
            assert!(
                text.contains(&format!(" {}\n", reason.describe())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_missing_is_said_and_nothing_else() {
        let mut summary = RecordingSummary {
            sampled: 1,
            ..RecordingSummary::default()
        };
        assert!(!summary.to_string().contains("not:"));
        let account = Account {
            taken: 12,
            lost: 3,
            whole: 7,
            dropped: [(DropReason::Late, 2)].into(),
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
            "  58.3 % of the samples shown; 5 not: 3 lost because the ring buffer was full, \
             2 that came too late\n  pyebpf got too little CPU time: lower --hz\n  a larger ring buffer (--buffer)",
            "  samples were read up to 3.2 s late\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("rate") && !text.contains("cut"), "{text}");
        assert!(!text.contains("of CPU"), "{text}");
        summary.rate.hz = 100;
        let of_web = &mut summary.processes[0].account;
        of_web.cpu = CpuTime::divided(Duration::from_millis(2500), 1, 0);
        (of_web.ticked, of_web.seen) = (Duration::from_millis(2450), Duration::from_secs(2));
        let text = summary.to_string();
        assert!(
            text.contains("; 2.50 s of CPU, 2.00 s seen; lost"),
            "{text}"
        );
        assert!(!text.contains("chance"), "{text}");
        summary.processes[0].account.ticked = Duration::from_millis(900);
        let text = summary.to_string();
        assert!(
            text.contains("stand for 0.93 s where the kernel counted 2.50 s"),
            "{text}"
        );
        summary.rate.max_cpu = Some(0.05);
        let rate = |milliseconds| RateChange {
            time: KernelTime(0),
            period: Duration::from_millis(milliseconds),
        };
        summary.rate.changes = vec![rate(8), rate(2)];
        let text = summary.to_string();
        let lowered = "lowered to 125 Hz to keep the cost below 5 % of a CPU (--max-cpu); \
                       at the end it was 500 Hz";
        assert!(text.contains(lowered), "{text}");
    }
}
