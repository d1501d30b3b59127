//! The account of samples at the end of a report: how many there were, and what
//! became of those that are not shown. It refuses to add up: the trace has sums.

use std::cmp::Reverse;
use std::fmt;

use super::text::shown;
use super::{Analysis, ProcessTimes};
use crate::account::Refused;
use crate::trace::Counts;

/// What came of the samples of the whole recording, and of those processes that
/// miss some.
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
        in_words(counts)
    )?;
    let mut worst: Vec<_> = analysis
        .processes
        .iter()
        .map(|of| (missing(&of.counts), of))
        .filter(|(missing, _)| *missing > 0)
        .collect();
    // One process is the whole.
    if analysis.processes.len() < 2 {
        worst.clear();
    }
    worst.sort_by_key(|(missing, _)| Reverse(*missing));
    for (_, process) in worst.iter().take(top) {
        writeln!(out, "  {}: {}", name(process), in_words(&process.counts))?;
    }
    match worst.len().saturating_sub(top) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more processes with fewer"),
    }
}

/// An account that is not ours, or an old one.
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

/// Samples that are not in the trace, but for those of other programs.
fn missing(counts: &Counts) -> u64 {
    let other = count(counts, Refused::WithoutInterpreter.name());
    (count(counts, "lost").saturating_add(count(counts, "refused"))).saturating_sub(other)
}

/// `200 taken, 190 delivered, 4 lost, 6 not shown (6 that came too late), …`.
fn in_words(counts: &Counts) -> String {
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
            .filter_map(|(name, count)| Some((*count, Refused::from_name(name)?)))
            .filter(|(count, _)| *count > 0)
            .collect();
        reasons.sort_by_key(|(count, reason)| (Reverse(*count), *reason));
        let reasons: Vec<_> = reasons
            .iter()
            .map(|(count, reason)| format!("{count} {}", reason.in_words()))
            .collect();
        parts.push(format!(
            "{} not shown ({})",
            of("refused"),
            reasons.join(", ")
        ));
    }
    for (name, what) in [
        ("truncated", "cut at 1024 frames"),
        ("cut_by_fault", "with an outer frame that could not be read"),
        ("unknown_code", "with a frame without a name"),
    ] {
        if of(name) > 0 {
            parts.push(format!("{} {what}", of(name)));
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
    fn only_what_is_not_zero_is_said() {
        let whole = counts(&[
            ("taken", 20),
            ("delivered", 20),
            ("lost", 0),
            ("refused", 0),
        ]);
        assert_eq!(in_words(&whole), "20 taken, 20 delivered");
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
            in_words(&partly),
            "20 taken, 10 delivered, 3 lost, 7 not shown (4 that ran while they were looked at, \
             2 that came too late, 1 in programs without a Python that can be sampled), \
             5 cut at 1024 frames"
        );
        assert_eq!(missing(&partly), 9);
    }
}
