//! The figures as Markdown. It refuses to measure, and to leave a spread out.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use super::wall_table;

/// The tables of a document of `measure`.
pub(super) fn of(document: &Value) -> anyhow::Result<String> {
    let mut text = String::new();
    heading(&mut text, document)?;
    samples(&mut text, document)?;
    ticks(&mut text, document)?;
    slowdown(&mut text, document)?;
    memory(&mut text, document)?;
    wall_table::write(&mut text, &document["wall"])?;
    Ok(text)
}

fn heading(text: &mut String, document: &Value) -> anyhow::Result<()> {
    let machine = &document["machine"];
    let word = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
    let kind = match machine["virtual_machine"].as_bool() {
        Some(true) => "virtual machine",
        _ => "machine",
    };
    writeln!(
        text,
        "Measured by `cargo xtask bench{}`: {} (commit {}), Linux {}, {kind} with {} CPUs, {}. \
         Medians of repetitions, in parentheses the least and the greatest.",
        if document["quick"] == true {
            " --quick"
        } else {
            ""
        },
        word("program"),
        document["commit"].as_str().unwrap_or("unknown"),
        word("kernel"),
        machine["cpus"],
        word("cpu"),
    )?;
    if let (Some(before), Some(cpus)) = (machine["load"][0].as_f64(), machine["cpus"].as_f64())
        && before > cpus / 2.0
    {
        writeln!(
            text,
            "Other work ran on the machine: its load was {before} at the start."
        )?;
    }
    Ok(())
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
            spread(&row["kernel_ns"], 1000.0, 2)?,
            spread(&row["user_ns"], 1000.0, 2)?,
            spread(&row["both_ns"], 1000.0, 2)?,
            row["taken"],
            row["repetitions"],
            spread(&row["user_ns_per_second_without_samples"], 1000.0, 0)?,
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
        spread(&tick["busy_ns"], 1.0, 0)?,
    )?;
    Ok(())
}

fn slowdown(text: &mut String, document: &Value) -> anyhow::Result<()> {
    writeln!(
        text,
        "\nWork that a busy target does while it is sampled, as a ratio to the same without \
         (CPython {}; below 1 is slower):\n",
        document["python"].as_str().unwrap_or("unknown")
    )?;
    text.push_str("| Hz | work per CPU second | work per second | pairs |\n|--:|--:|--:|--:|\n");
    for row in rows(document, "slowdown")? {
        let rate = match row["hz"].as_u64() {
            Some(hz) => hz.to_string(),
            None => "none (control)".to_owned(),
        };
        writeln!(
            text,
            "| {rate} | {} | {} | {} |",
            spread(&row["work_per_cpu_second_ratio"], 1.0, 4)?,
            spread(&row["work_per_second_ratio"], 1.0, 4)?,
            row["pairs"],
        )?;
    }
    text.push_str(
        "\nThe control compares the target with itself, unsampled both times: it shows the noise \
         of the machine.\n",
    );
    Ok(())
}

fn memory(text: &mut String, document: &Value) -> anyhow::Result<()> {
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
            spread(&row["samples"], 1.0, 0)?,
            spread(&row["peak_kib"], 1024.0, 1)?,
        )?;
    }
    Ok(())
}

pub(super) fn rows<'a>(document: &'a Value, name: &str) -> anyhow::Result<&'a Vec<Value>> {
    document[name]
        .as_array()
        .with_context(|| format!("the document has no {name}"))
}

/// Median and extremes, divided by `unit`.
pub(super) fn spread(spread: &Value, unit: f64, digits: usize) -> anyhow::Result<String> {
    let number = |name: &str| {
        let value = spread[name].as_f64();
        value.map(|value| format!("{:.digits$}", value / unit))
    };
    let [median, min, max] = ["median", "min", "max"].map(number);
    let (Some(median), Some(min), Some(max)) = (median, min, max) else {
        anyhow::bail!("something was measured zero times");
    };
    Ok(
        if spread["values"].as_array().is_some_and(|it| it.len() < 2) {
            median
        } else {
            format!("{median} ({min}..{max})")
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::spread;

    #[test]
    fn a_spread_is_shown_with_its_extremes() {
        let value = json!({"median": 4810.0, "min": 4600.0, "max": 5904.0, "values": [1, 2, 3]});
        assert_eq!(
            spread(&value, 1000.0, 2).expect("whole"),
            "4.81 (4.60..5.90)"
        );
        let once = json!({"median": 7.0, "min": 7.0, "max": 7.0, "values": [7.0]});
        assert_eq!(spread(&once, 1.0, 0).expect("whole"), "7");
        assert!(spread(&json!({"median": null}), 1.0, 0).is_err());
    }
}
