// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was measured of a server, as Markdown.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use super::usage::PARTS;
use crate::cells::spread;

/// The limits: share of a CPU, memory in MB, a day's trace in MB, and how much more live pages
/// may cost.
const MOST_PERCENT: f64 = 0.5;
const MOST_MB: f64 = 64.0;
const MOST_MB_A_DAY: f64 = 100.0;
const MOST_PERCENT_FOR_PAGES: f64 = 3.0;

/// Writes the tables.
pub(super) fn write(document: &Value) -> anyhow::Result<String> {
    let mut text = String::from("# What `pyebpf serve` costs\n\n");
    let machine = &document["machine"];
    writeln!(
        text,
        "{} processes of CPython {} with {} threads, wall mode at 10 Hz, on {}. Medians; in \
         parentheses the least and the greatest.\n",
        document["processes"],
        document["python"].as_str().unwrap_or("?"),
        document["threads"],
        machine["cpu"].as_str().unwrap_or("an unknown CPU"),
    )?;
    writeln!(
        text,
        "| | alone | with {} live pages | with {:.0} requests a second |\n|---|--:|--:|--:|",
        document["pages"],
        document["asked"]["requests_a_second"]
            .as_f64()
            .context("nobody asked")?,
    )?;
    let states = [&document["alone"], &document["watched"], &document["asked"]];
    let mut row = |name: &str, value: &dyn Fn(&Value) -> String| {
        let [alone, watched, asked] = states.map(value);
        writeln!(text, "| {name} | {alone} | {watched} | {asked} |")
    };
    for part in PARTS {
        row(&format!("{part}, % of a CPU"), &|state| {
            spread(&state["cpu_percent"][part], 1.0, 2)
        })?;
    }
    row("together, % of a CPU", &|state| {
        spread(&state["cpu_percent_together"], 1.0, 2)
    })?;
    for part in PARTS {
        row(&format!("{part}, MB resident"), &|state| {
            spread(&state["resident_kib"][part], 1e6 / 1024.0, 1)
        })?;
    }
    row("together, MB resident", &|state| {
        spread(&state["resident_kib_together"], 1e6 / 1024.0, 1)
    })?;
    row("recorder behind, at most, ms", &|state| {
        spread(&state["behind_ms"], 1.0, 0)
    })?;
    text.push_str(
        "\nThe eBPF program that a tick runs is on the account of the interrupted thread and not \
         in this; the scans of waiting threads are in it.\n\n",
    );
    goals(&mut text, document)?;
    soak(&mut text, &document["soak"])?;
    Ok(text)
}

fn goals(text: &mut String, document: &Value) -> anyhow::Result<()> {
    let median = |state: &str, what: &str| {
        let value = document[state][what]["median"].as_f64();
        value.with_context(|| format!("{what} was not measured"))
    };
    let alone = median("alone", "cpu_percent_together")?;
    let watched = median("watched", "cpu_percent_together")?;
    let memory = median("alone", "resident_kib_together")? * 1024.0 / 1e6;
    let hour = document["bytes_an_hour"].as_f64();
    let hour = hour.context("the trace was not measured")? / 1e6;
    text.push_str("| goal | at most | found | |\n|---|--:|--:|---|\n");
    for (name, most, found) in [
        ("% of a CPU", MOST_PERCENT, alone),
        ("MB resident", MOST_MB, memory),
        ("MB a day", MOST_MB_A_DAY, hour * 24.0),
        (
            "% of a CPU more for live pages",
            MOST_PERCENT_FOR_PAGES,
            watched - alone,
        ),
    ] {
        let verdict = if found <= most { "met" } else { "**missed**" };
        writeln!(text, "| {name} | {most} | {found:.2} | {verdict} |")?;
    }
    writeln!(
        text,
        "\n{hour:.2} MB of trace an hour, in chunks of {} s, which is more the shorter they are; {} \
         samples lost.\n",
        document["chunk_seconds"], document["lost"]
    )?;
    Ok(())
}

fn soak(text: &mut String, soak: &Value) -> anyhow::Result<()> {
    writeln!(
        text,
        "With chunks of {} s instead of a minute, {} of them kept and {} written:\n\n\
         | s | MB resident | MB on disk | chunks | deleted | lost | behind, ms |\n\
         |--:|--:|--:|--:|--:|--:|--:|",
        soak["chunk_seconds"], soak["kept"], soak["written"],
    )?;
    let rows = soak["rows"].as_array().context("there was no soak")?;
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
        writeln!(
            text,
            "| {:.0} | {:.1} | {:.2} | {} | {} | {} | {:.0} |",
            number("seconds"),
            number("resident_kib") * 1024.0 / 1e6,
            number("disk_bytes") / 1e6,
            row["chunks"],
            row["deleted"],
            row["lost"],
            number("behind_us") / 1e3,
        )?;
    }
    Ok(())
}
