// SPDX-License-Identifier: MIT OR Apache-2.0

//! The comparison with other profilers as Markdown. What failed or is absent is listed
//! below the tables.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use super::cells::{fitting, lost, median, one_line, optional, rows};

/// Writes the whole comparison, a table for each target, and what is missing from it.
pub(super) fn write(text: &mut String, document: &Value) -> anyhow::Result<()> {
    let versus = &document["versus"];
    writeln!(
        text,
        "{} turns of {} seconds each (longer at 10 Hz), all profilers of a target in one order of \
         chance after the other.\n",
        versus["turns"], versus["seconds"],
    )?;
    text.push_str(NOTES);
    for target in rows(versus, "targets")? {
        let of_target = |row: &&Value| row["target"] == target["name"];
        let all: Vec<&Value> = rows(versus, "rows")?.iter().filter(of_target).collect();
        if all.is_empty() {
            continue;
        }
        writeln!(
            text,
            "\n**{}**: {}.\n",
            target["name"].as_str().unwrap_or("?"),
            target["about"].as_str().unwrap_or("?"),
        )?;
        text.push_str(HEADER);
        for row in &all {
            write_row(text, row)?;
        }
    }
    write_missing(text, versus)
}

const NOTES: &str = "\
* *CPU*: the CPU time of the profiler's threads and children once it has begun, and for pyebpf \
also the run time of its BPF program at the CPUs' ticks, which no process is charged for (*of it \
BPF*). *System* is the kernel's share of what the processes are charged for.
* *per 1000 stacks*: that CPU time, in milliseconds. A stack is that of one thread in one sample. \
In wall mode a sample has a stack for every thread; for a thread that has not run since, pyebpf \
repeats the one it had.
* *taken*: stacks in percent of those asked for: rate times threads in wall mode, rate times the \
target's CPU time in cpu mode. Profilers that sample by a timer of their own decide at that moment \
whether a thread is running.
* *errors*: what the profiler itself reports: for pyebpf the stacks that it took and shows cut or \
not at all, for Austin stacks, for the others whole samples.
* *work lost*: work per second of CPU time, and work per second, in percent of that just before \
and after without a profiler; below zero it was faster. The control is the target alone: what it \
loses is the noise. In parentheses least and greatest, or from six turns on the 95 % interval of \
the median (bootstrap).
";

const HEADER: &str = "\
| mode | Hz | CPython | profiler | CPU, % of one | of it BPF | system | per 1000 stacks, ms | memory, \
MiB | taken, % | errors, % | work per CPU second lost, % | work per second lost, % |
|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

fn write_row(text: &mut String, row: &Value) -> anyhow::Result<()> {
    let figures = &row["figures"];
    let word = |name: &str| row[name].as_str().unwrap_or("");
    let name = match word("profiler") {
        "" => "none (control)".to_owned(),
        name if word("options").is_empty() => name.to_owned(),
        name => format!("{name} `{}`", word("options")),
    };
    let share = figures["system_share_of_process"].as_f64();
    let uncharged = &figures["uncharged_cpu_percent"];
    writeln!(
        text,
        "| {} | {} | {} | {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        word("mode"),
        row["hz"]
            .as_u64()
            .map_or(String::new(), |hz| hz.to_string()),
        row["python"].as_str().context("a row names no Python")?,
        fitting(&figures["cpu_percent"], 1.0),
        if row["ours"] == true {
            fitting(uncharged, 1.0)
        } else {
            String::new()
        },
        share.map_or(String::new(), |share| format!("{:.0} %", 100.0 * share)),
        fitting(&figures["cpu_us_per_stack"], 1.0),
        optional(&figures["peak_kib"], 1024.0, 0),
        optional(&figures["taken_percent_of_asked"], 1.0, 0),
        optional(&figures["errors_percent"], 1.0, 2),
        lost(&figures["work_per_cpu_second_ratio"]),
        lost(&figures["work_per_second_ratio"]),
    )?;
    Ok(())
}

/// Writes what is missing from the tables, and why.
fn write_missing(text: &mut String, versus: &Value) -> anyhow::Result<()> {
    text.push('\n');
    for row in rows(versus, "rows")? {
        if let Some(failure) = row["failure"].as_str() {
            writeln!(
                text,
                "* {} failed at \"{}\", {} at {} Hz: {}",
                row["profiler"].as_str().unwrap_or("?"),
                row["target"].as_str().unwrap_or("?"),
                row["mode"].as_str().unwrap_or("?"),
                row["hz"],
                one_line(failure)
            )?;
        }
    }
    for absent in rows(versus, "absent")? {
        let absent = absent.as_str().unwrap_or("?");
        writeln!(text, "* Not in the table: {}", one_line(absent))?;
    }
    Ok(())
}

/// The profilers of the compact table: how their names begin, and their headings.
const COLUMNS: [(&str, &str); 4] = [
    ("pyebpf", "pyebpf"),
    ("py-spy", "py-spy"),
    ("Austin", "Austin"),
    ("profiling.sampling", "`profiling.sampling`"),
];

/// Writes the compact table at 100 Hz, with a row for each target and mode: cost, and
/// what the target loses.
pub(super) fn write_compact(text: &mut String, document: &Value) -> anyhow::Result<()> {
    let versus = &document["versus"];
    text.push_str("| target | mode |");
    for (_, heading) in COLUMNS {
        write!(text, " {heading} |")?;
    }
    text.push_str("\n|---|---|--:|--:|--:|--:|\n");
    for target in rows(versus, "targets")? {
        for mode in ["cpu", "wall"] {
            let here = |row: &&Value| {
                row["target"] == target["name"] && row["mode"] == mode && row["hz"] == 100
            };
            let here: Vec<&Value> = rows(versus, "rows")?.iter().filter(here).collect();
            if here.is_empty() {
                continue;
            }
            write!(
                text,
                "| {} | {mode} |",
                target["name"].as_str().unwrap_or("?")
            )?;
            for (name, _) in COLUMNS {
                let is_it = |row: &&&Value| {
                    let full = row["profiler"].as_str();
                    full.is_some_and(|full| full.starts_with(name))
                };
                let found = here.iter().find(is_it);
                write!(
                    text,
                    " {} |",
                    found.map_or(String::new(), |row| compact(row))
                )?;
            }
            text.push('\n');
        }
    }
    Ok(())
}

/// Formats the CPU time of a thousand stacks in milliseconds and, in parentheses, the
/// change of the target's work per CPU second in percent.
fn compact(row: &Value) -> String {
    if row["failure"].is_string() {
        return "failed".to_owned();
    }
    let figures = &row["figures"];
    let Some(cost) = median(&figures["cpu_us_per_stack"]) else {
        return "no stack".to_owned();
    };
    let cost = match cost {
        ..1.0 => format!("{cost:.3}"),
        ..10.0 => format!("{cost:.2}"),
        ..100.0 => format!("{cost:.1}"),
        _ => format!("{cost:.0}"),
    };
    match median(&figures["work_per_cpu_second_ratio"]) {
        Some(ratio) => format!("{cost} ({:+.0} %)", 100.0 * (ratio - 1.0)),
        None => cost,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{write, write_compact};

    fn document() -> Value {
        let one =
            |value: f64| json!({"median": value, "min": value, "max": value, "values": [value]});
        let row = |profiler: &str, cost: f64, failure: Option<&str>| {
            json!({
                "target": "web", "mode": "cpu", "hz": 100, "python": "3.15.0",
                "profiler": profiler, "options": "-a", "ours": profiler == "pyebpf",
                "failure": failure,
                "figures": {
                    "cpu_us_per_stack": one(cost), "work_per_cpu_second_ratio": one(0.9),
                },
            })
        };
        json!({"versus": {
            "turns": 2, "seconds": 1.0, "absent": ["Austin: not to be had\nhere"],
            "targets": [{"name": "web", "about": "a service"}, {"name": "none", "about": "x"}],
            "rows": [row("pyebpf", 4.2, None), row("py-spy 1", 900.0, Some("it ended"))],
        }})
    }

    #[test]
    fn a_peer_that_is_absent_or_failed_is_named() {
        let mut text = String::new();
        write(&mut text, &document()).expect("a whole document");
        assert!(text.contains("* py-spy 1 failed at \"web\", cpu at 100 Hz: it ended\n"));
        assert!(text.contains("* Not in the table: Austin: not to be had here\n"));
        assert!(
            text.contains("| pyebpf `-a` |") && !text.contains("**none**"),
            "{text}"
        );
    }

    #[test]
    fn the_compact_table_has_a_column_for_each_profiler() {
        let mut text = String::new();
        write_compact(&mut text, &document()).expect("a whole document");
        let last = text.lines().last();
        assert_eq!(last, Some("| web | cpu | 4.20 (-10 %) | failed |  |  |"));
    }
}
