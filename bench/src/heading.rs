// SPDX-License-Identifier: MIT OR Apache-2.0

//! The heading of a run as Markdown: the program, the machine and the date that the
//! figures are of, and the goals with their results.

use std::fmt::Write as _;

use serde_json::Value;

use super::goals;

/// The share of all CPUs, 0 to 1, that other programs may use before the figures are
/// called untrustworthy.
const OTHERS: f64 = 0.1;

/// Writes the program, the machine and the date, and warns of a quick run and of other
/// work on the machine.
pub(super) fn write(text: &mut String, document: &Value) -> anyhow::Result<()> {
    let machine = &document["machine"];
    let word = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
    let kind = match machine["virtual_machine"].as_bool() {
        Some(true) => "virtual machine",
        _ => "machine",
    };
    let is_quick = document["quick"] == true;
    writeln!(
        text,
        "Measured by `cargo xtask bench{}` on {}: {} (commit {}), Linux {}, {kind} with {} CPUs, \
         {}, {} GiB.",
        if is_quick { " --quick" } else { "" },
        date(machine["time"].as_u64().unwrap_or(0)),
        word("program"),
        document["commit"].as_str().unwrap_or("unknown"),
        word("kernel"),
        machine["cpus"],
        word("cpu"),
        machine["memory_kib"].as_u64().unwrap_or(0) / (1 << 20),
    )?;
    if is_quick {
        text.push_str("A quick run: one repetition of most things, so few have a spread.\n");
    }
    let others = machine["others"].as_array().into_iter().flatten();
    if let Some(most) = others.filter_map(Value::as_f64).reduce(f64::max)
        && most > OTHERS
    {
        writeln!(
            text,
            "**Other work ran on the machine**: {:.0} % of its CPUs were busy before the first \
             or after the last measurement. Do not trust these figures.",
            100.0 * most
        )?;
    }
    Ok(())
}

/// Writes the table of goals.
pub(super) fn write_goals(text: &mut String, document: &Value) -> anyhow::Result<()> {
    text.push_str("| figure | found | |\n|---|---|---|\n");
    for goal in goals::of(document) {
        writeln!(
            text,
            "| {} | {} | {} |",
            goal.what,
            goal.found,
            goal.result.word()
        )?;
    }
    Ok(())
}

/// Formats seconds since 1970 as a date of the Gregorian calendar in UTC. It counts in
/// years that begin in March, so that a leap day is a year's last.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_735_689_599), "2024-12-31");
    }
}
