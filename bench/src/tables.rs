// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run as Markdown: everything for `docs/bench.md`, with the spread of each figure,
//! and the main figures for docs/overhead.md.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use super::cells::{fitting, lost, one_line, rows, spread};
use super::goals::points;
use super::{chance, heading, versus_table};

/// The file with the curves, beside `bench.md`.
pub(super) const PICTURE: &str = "bench-growth.svg";

/// Returns the page with everything.
pub(super) fn full(document: &Value) -> anyhow::Result<String> {
    let mut text = String::from(
        "# What sampling costs\n\n\
         This page is written by `cargo xtask bench --readme`, with every value in `bench.json` \
         beside it. Medians; in parentheses the least and the greatest, unless it says otherwise. \
         How each thing is measured is said at the top of its file in `bench/src`.\n\n",
    );
    heading::write(&mut text, document)?;
    text.push_str("\n## The figures to reach\n\n");
    heading::write_goals(&mut text, document)?;
    text.push_str("\n## A sample\n");
    samples(&mut text, document)?;
    ticks(&mut text, document)?;
    text.push_str("\n## How much slower the target gets\n");
    slowdown(&mut text, document)?;
    text.push_str("\n## Many processes\n");
    many(&mut text, document)?;
    text.push_str("\n## How cost grows\n");
    growth(&mut text, document)?;
    text.push_str("\n## Beside other profilers\n\n");
    versus_table::write(&mut text, document)?;
    text.push_str("\n## Impossible stacks\n");
    oracle(&mut text, document)?;
    text.push_str("\n## This run\n\nSeconds that each part took:");
    let stages = document["seconds"].as_object();
    let stages = stages.context("the document does not say how long it took")?;
    for (name, seconds) in stages {
        write!(text, " {name} {seconds};")?;
    }
    text.push('\n');
    Ok(text)
}

/// Returns the part that docs/overhead.md shows.
pub(super) fn compact(document: &Value) -> anyhow::Result<String> {
    let mut text = String::new();
    heading::write(&mut text, document)?;
    text.push('\n');
    heading::write_goals(&mut text, document)?;
    text.push_str(
        "\nBeside other profilers, at 100 Hz: CPU time of a thousand stacks in milliseconds, and \
         in parentheses how much more or less work a second of the target's CPU time does:\n\n",
    );
    versus_table::write_compact(&mut text, document)?;
    writeln!(
        text,
        "\n![What pyebpf costs against depth, threads and processes]({PICTURE})\n\n\
         [bench.md](bench.md) has all tables: other rates, memory, errors, impossible \
         stacks, every version of CPython, and the spread of each figure."
    )?;
    Ok(text)
}

fn samples(text: &mut String, document: &Value) -> anyhow::Result<()> {
    text.push_str("\nCPU time of one sample, 32 frames deep, in microseconds:\n\n");
    text.push_str("| CPython | Hz | kernel side | user side | both | samples | repetitions | user side at rest |\n");
    text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for row in rows(document, "sample")? {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row["python"].as_str().context("a row names no Python")?,
            row["hz"],
            spread(&row["kernel_ns"], 1000.0, 2),
            spread(&row["user_ns"], 1000.0, 2),
            spread(&row["both_ns"], 1000.0, 2),
            row["taken"],
            row["repetitions"],
            spread(&row["user_ns_per_second_without_samples"], 1000.0, 0),
        )?;
    }
    text.push_str(
        "\nThe kernel side is the run time of the BPF program, without the interrupt around it. \
         The user side is all CPU time of pyebpf while the target runs, its timers included; \
         starting and the writing of the final file are not in it. At rest: its CPU time a second \
         while the target stands still; at low rates that falls on few samples.\n",
    );
    Ok(())
}

fn ticks(text: &mut String, document: &Value) -> anyhow::Result<()> {
    let tick = &document["tick"];
    writeln!(
        text,
        "\nA tick that hits no followed process takes {} ns on a CPU that runs another program, \
         without the interrupt around it; an idle CPU does not run the program.",
        spread(&tick["busy_ns"], 1.0, 0),
    )?;
    Ok(())
}

fn slowdown(text: &mut String, document: &Value) -> anyhow::Result<()> {
    writeln!(
        text,
        "\nWork that a busy target loses while it is sampled, against the same without just before \
         and after, in percent (CPython {}; below zero it was faster), with the 95 % interval of \
         the median (bootstrap). The sign test's p is the chance that so many pairs fall on one \
         side where there is no difference.\n",
        document["python"].as_str().unwrap_or("unknown")
    )?;
    text.push_str(
        "| Hz | work per CPU second | p | work per second | p | pairs | CPU seconds each |\n\
         |--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows(document, "slowdown")? {
        let rate = match row["hz"].as_u64() {
            Some(hz) => hz.to_string(),
            None => "none (control)".to_owned(),
        };
        let precise = |ratio: &Value| {
            let chance = ratio["sign_test"].as_f64();
            let chance = chance.map_or(String::new(), |chance| format!("{chance:.3}"));
            (hundredths(ratio), chance)
        };
        let (of_cpu, chance_of_cpu) = precise(&row["work_per_cpu_second_ratio"]);
        let (of_time, chance_of_time) = precise(&row["work_per_second_ratio"]);
        writeln!(
            text,
            "| {rate} | {of_cpu} | {chance_of_cpu} | {of_time} | {chance_of_time} | {} | {} |",
            row["pairs"], row["cpu_seconds_each"],
        )?;
    }
    text.push_str(
        "\nThe control compares the target with itself, unsampled all the time: it shows the noise \
         of the machine.\n",
    );
    Ok(())
}

/// Formats the work that is lost, in percent to the hundredth.
fn hundredths(ratio: &Value) -> String {
    let percent = |value: &Value| value.as_f64().map(|it| 100.0 * (1.0 - it));
    let (median, ends) = (percent(&ratio["median"]), &ratio["interval95"]);
    match (median, percent(&ends[1]), percent(&ends[0])) {
        (Some(median), Some(low), Some(high)) => format!("{median:.2} ({low:.2}..{high:.2})"),
        _ => lost(ratio),
    }
}

fn many(text: &mut String, document: &Value) -> anyhow::Result<()> {
    text.push_str("\nThe most memory pyebpf had resident, in MiB, writing the file included:\n\n");
    text.push_str("| processes | versions of CPython | Hz | seconds | samples | MiB |\n");
    text.push_str("|--:|--:|--:|--:|--:|--:|\n");
    for row in rows(document, "memory")? {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            row["processes"],
            row["interpreters"],
            row["hz"],
            row["seconds"],
            spread(&row["samples"], 1.0, 0),
            spread(&row["peak_kib"], 1024.0, 1),
        )?;
    }
    let start = &document["start"];
    writeln!(
        text,
        "\nFrom starting pyebpf on the whole host with {} Python processes of {} versions to its \
         first sample: {} ms.",
        start["processes"],
        start["interpreters"],
        spread(&start["first_sample_ms"], 1.0, 0),
    )?;
    Ok(())
}

fn growth(text: &mut String, document: &Value) -> anyhow::Result<()> {
    writeln!(
        text,
        "\n![Cost against depth, threads and processes]({PICTURE})\n\n\
         Dashed: the straight line with the least squares of relative distances.\n"
    )?;
    text.push_str(
        "| curve | what grows | Hz | number | cost | of it BPF | samples | MiB |\n\
         |---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for curve in rows(document, "growth")? {
        let unit = curve["unit"].as_str().unwrap_or("?");
        for point in rows(curve, "points")? {
            writeln!(
                text,
                "| {} | {} | {} | {} | {} {unit} | {} | {} | {:.0} |",
                curve["name"].as_str().unwrap_or("?"),
                curve["of"].as_str().unwrap_or("?"),
                curve["hz"],
                point["count"],
                fitting(&point["cost"], 1.0),
                fitting(&point["uncharged"], 1.0),
                point["shown"],
                point["peak_kib"].as_f64().unwrap_or(0.0) / 1024.0,
            )?;
        }
    }
    text.push('\n');
    for curve in rows(document, "growth")? {
        if let Some(line) = chance::line(&points(curve)) {
            writeln!(
                text,
                "* {}: {:.3} + {:.5} × number, R² {:.3}.",
                curve["name"].as_str().unwrap_or("?"),
                line.start,
                line.slope,
                line.explained
            )?;
        }
    }
    Ok(())
}

fn oracle(text: &mut String, document: &Value) -> anyhow::Result<()> {
    text.push_str(
        "\nPrograms that change their stack thousands of times a second, of which every possible \
         stack is known (`tests/scripts`). A stack counts as it stands in the profiler's own \
         output; one that says that it is not whole is an error.\n\n\
         | program | mode | Hz | CPython | profiler | stacks | impossible | errors, % |\n\
         |---|---|--:|--:|---|--:|--:|--:|\n",
    );
    let mut notes = String::new();
    for row in rows(document, "oracle")? {
        let word = |name: &str| row[name].as_str().unwrap_or("");
        let name = format!("{} `{}`", word("profiler"), word("options"));
        let name = name.trim_end_matches(" ``");
        let found = &row["found"];
        let (judged, wrong) = (found["judged"].as_u64(), found["impossible"].as_u64());
        let share = match (judged, wrong) {
            (Some(judged), Some(wrong)) if judged > 0 => {
                let percent = 100.0 * wrong as f64 / judged as f64;
                format!("{wrong} ({percent:.2} %)")
            }
            _ => String::new(),
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {name} | {} | {share} | {} |",
            word("script"),
            word("mode"),
            row["hz"],
            word("python"),
            judged.map_or("failed".to_owned(), |judged| judged.to_string()),
            found["errors_percent"]
                .as_f64()
                .map_or(String::new(), |percent| format!("{percent:.2}")),
        )?;
        if let Some(example) = found["example"].as_str() {
            writeln!(notes, "* {name}: `{}`", one_line(example))?;
        }
        if let Some(failure) = row["failure"].as_str() {
            writeln!(notes, "* {name} failed: {}", one_line(failure))?;
        }
    }
    if !notes.is_empty() {
        write!(
            text,
            "\nAn impossible stack of each that had one:\n\n{notes}"
        )?;
    }
    Ok(())
}
