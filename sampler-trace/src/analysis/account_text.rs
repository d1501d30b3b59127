// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes the account of samples at the end of a report: how many there were, and what
//! became of those that are not shown.

use std::cmp::Reverse;
use std::fmt;

use crate::account::drop_reason::{DropReason, PartialReason, Severity};
use crate::analysis::Analysis;
use crate::analysis::text_values::shown;
use crate::analysis::threads::ProcessTimes;
use crate::container::info::Counts;

/// Writes what became of the samples of the whole recording, and of those of the
/// processes that miss some, the worst first.
pub(super) fn account(
    out: &mut fmt::Formatter<'_>,
    analysis: &Analysis,
    top: usize,
) -> fmt::Result {
    let counts = &analysis.counts;
    if counts.values().all(|count| *count == 0) {
        return writeln!(out, "\nThe trace has no account of its samples.");
    }
    if !counts.contains_key("taken") {
        return others(out, counts);
    }
    writeln!(
        out,
        "\nSamples of the whole recording: {}",
        describe(counts)
    )?;
    let mut worst: Vec<_> = analysis
        .processes
        .iter()
        .map(|of| (missing(&of.counts), of))
        .filter(|(missing, _)| *missing > 0)
        .collect();
    // A single process is the whole recording.
    if analysis.processes.len() < 2 {
        worst.clear();
    }
    worst.sort_by_key(|(missing, _)| Reverse(*missing));
    for (_, process) in worst.iter().take(top) {
        writeln!(out, "  {}: {}", name(process), describe(&process.counts))?;
    }
    match worst.len().saturating_sub(top) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more processes with fewer"),
    }
}

/// Writes an account of another program, or one of an old version.
fn others(out: &mut fmt::Formatter<'_>, counts: &Counts) -> fmt::Result {
    let counts: Vec<_> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{} {count}", shown(name)))
        .collect();
    writeln!(
        out,
        "\nSamples of the whole recording: {}",
        counts.join(", ")
    )
}

fn name(process: &ProcessTimes) -> String {
    match process.pid {
        0 => shown(&process.name),
        pid => format!("{}[{pid}]", shown(&process.name)),
    }
}

fn count(counts: &Counts, name: &str) -> u64 {
    counts.get(name).copied().unwrap_or(0)
}

/// The number of samples that are not in the trace, without those of programs that have
/// no Python to sample.
fn missing(counts: &Counts) -> u64 {
    let elsewhere = DropReason::all().filter(|it| it.severity() == Severity::Elsewhere);
    let elsewhere: u64 = elsewhere.map(|it| count(counts, it.name())).sum();
    (count(counts, "lost").saturating_add(count(counts, "refused"))).saturating_sub(elsewhere)
}

/// Describes counters: `200 taken, 190 delivered, 4 lost, 6 not shown (6 that came too
/// late), …`.
fn describe(counts: &Counts) -> String {
    let of = |name| count(counts, name);
    let mut parts = vec![
        format!("{} taken", of("taken")),
        format!("{} delivered", of("delivered")),
    ];
    if of("lost") > 0 {
        parts.push(format!("{} lost", of("lost")));
    }
    if of("refused") > 0 {
        let mut reasons: Vec<_> = counts
            .iter()
            .filter_map(|(name, count)| Some((*count, DropReason::from_name(name)?)))
            .filter(|(count, reason)| *count > 0 && *reason != DropReason::Lost)
            .collect();
        reasons.sort_by_key(|(count, reason)| (Reverse(*count), *reason));
        let reasons: Vec<_> = reasons
            .iter()
            .map(|(count, reason)| format!("{count} {}", reason.describe()))
            .collect();
        parts.push(format!(
            "{} not shown ({})",
            of("refused"),
            reasons.join(", ")
        ));
    }
    for reason in PartialReason::ALL {
        let count = of(reason.name());
        if count > 0 {
            parts.push(format!("{count} shown in part ({})", reason.describe()));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, u64)]) -> Counts {
        let counts = list
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        counts.collect()
    }

    #[test]
    fn every_reason_is_said() {
        for reason in DropReason::all().filter(|it| *it != DropReason::Lost) {
            let all = counts(&[("taken", 3), ("refused", 2), (reason.name(), 2)]);
            let words = format!("2 not shown (2 {})", reason.describe());
            assert!(describe(&all).contains(&words), "{}", describe(&all));
        }
        let lost = counts(&[("taken", 3), (DropReason::Lost.name(), 2)]);
        assert_eq!(describe(&lost), "3 taken, 0 delivered, 2 lost");
        for reason in PartialReason::ALL {
            let all = counts(&[("taken", 3), (reason.name(), 2)]);
            let words = format!("2 shown in part ({})", reason.describe());
            assert!(describe(&all).contains(&words), "{}", describe(&all));
        }
    }

    #[test]
    fn only_what_is_not_zero_is_said() {
        let whole = counts(&[
            ("taken", 20),
            ("delivered", 20),
            ("lost", 0),
            ("refused", 0),
        ]);
        assert_eq!(describe(&whole), "20 taken, 20 delivered");
        assert_eq!(missing(&whole), 0);
        let partly = counts(&[
            ("taken", 20),
            ("delivered", 10),
            ("lost", 3),
            ("refused", 7),
            ("late", 2),
            ("moved", 4),
            ("unsupported", 1),
            ("truncated", 5),
            ("run_time_ns", 99),
        ]);
        assert_eq!(
            describe(&partly),
            "20 taken, 10 delivered, 3 lost, 7 not shown (4 that ran while they were looked at, \
             2 that came too late, 1 where no Python that can be sampled was known), \
             5 shown in part (deeper than 1024 frames)"
        );
        assert_eq!(missing(&partly), 9);
    }
}
