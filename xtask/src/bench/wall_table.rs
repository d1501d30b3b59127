//! Wall-clock mode beside other profilers, as Markdown. It refuses to measure,
//! and to hide a limit that was missed.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use super::table::{rows, spread};

/// Writes the table of what `wall` measured, and what it says of the limits.
pub(super) fn write(text: &mut String, wall: &Value) -> anyhow::Result<()> {
    writeln!(
        text,
        "\nWall-clock mode beside other profilers: {} turns of {} seconds each, all profilers in \
         one run:\n",
        wall["repetitions"], wall["seconds"],
    )?;
    text.push_str(
        "| target | Hz | CPython | profiler | CPU, % of one | of it uncharged | passes, % of asked \
         | errors, % | work per CPU second | work per second |\n\
         |---|--:|--:|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows(wall, "rows")? {
        let word = |name: &str| {
            row[name]
                .as_str()
                .with_context(|| format!("a row has no {name}"))
        };
        let figures = &row["figures"];
        let uncharged = match figures["uncharged_cpu_percent"]["max"].as_f64() {
            Some(0.0) => String::new(),
            _ => cell(&figures["uncharged_cpu_percent"], 2)?,
        };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            word("target")?,
            row["hz"],
            word("python")?,
            row["profiler"].as_str().unwrap_or("none (control)"),
            cell(&figures["cpu_percent"], 2)?,
            uncharged,
            cell(&figures["passes_percent"], 0)?,
            cell(&figures["errors_percent"], 2)?,
            cell(&figures["work_per_cpu_second_ratio"], 3)?,
            cell(&figures["work_per_second_ratio"], 3)?,
        )?;
    }
    text.push_str(NOTES);
    notes(text, wall)
}

/// Characters of a message of others.
const LONGEST: usize = 160;

const NOTES: &str = "
`sleeping`: threads that sleep for ever; `mixed`: threads that sleep for 5 ms and work for some \
tenth of a millisecond, in turns; `deep`: a busy thread. The stacks are 24 or 32 frames deep. CPU is that \
of the profiler's threads and children once it has begun, and for pyebpf also the run time of the \
BPF program at the CPUs' ticks, which no process is charged for. A pass looks at all threads once; \
py-spy's are counted from its stacks. Errors are those that the profiler itself reports: for \
pyebpf the stacks that it took and shows cut or not at all, for the others whole passes. Work is a \
ratio to the same without a profiler, measured just before or after; below 1 is slower.
";

/// What is reached, and what is missing from the table.
fn notes(text: &mut String, wall: &Value) -> anyhow::Result<()> {
    text.push('\n');
    for row in rows(wall, "rows")? {
        let name = format!(
            "{} at {} Hz",
            row["target"].as_str().unwrap_or("?"),
            row["hz"]
        );
        let python = row["python"].as_str().unwrap_or("?");
        if let Some(limit) = row["limit_percent"].as_f64() {
            let median = |figure: &str| {
                let median = row["figures"][figure]["median"].as_f64();
                median.with_context(|| format!("{figure} of {name} was measured zero times"))
            };
            // A cost says nothing where the work was not done.
            writeln!(
                text,
                "- Limit for `{name}` (CPython {python}): {limit} % of one CPU: {}, with {:.0} % of \
                 the passes and {:.1} % errors.",
                verdict(median("cpu_percent")?, limit),
                median("passes_percent")?,
                median("errors_percent")?,
            )?;
        }
        if let Some(failure) = row["failure"].as_str() {
            let profiler = row["profiler"].as_str().unwrap_or("?");
            writeln!(
                text,
                "- {profiler} failed at `{name}`: {}",
                one_line(failure)
            )?;
        }
    }
    for absent in rows(wall, "absent")? {
        let absent = absent.as_str().unwrap_or("?");
        writeln!(text, "- Not in the table: {}", one_line(absent))?;
    }
    Ok(())
}

fn verdict(median: f64, limit: f64) -> String {
    if median <= limit {
        format!("reached ({median:.1} %)")
    } else {
        format!("missed: {median:.1} %")
    }
}

/// A figure, or nothing where it has no meaning or the profiler failed.
fn cell(value: &Value, digits: usize) -> anyhow::Result<String> {
    if value["values"].as_array().is_some_and(Vec::is_empty) {
        return Ok(String::new());
    }
    spread(value, 1.0, digits)
}

/// Messages of others may have several lines, which would end the list, and many
/// of them: all values have them whole.
fn one_line(message: &str) -> String {
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push_str(" ...");
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{verdict, write};

    #[test]
    fn a_limit_is_reached_or_missed() {
        assert_eq!(verdict(3.0, 3.0), "reached (3.0 %)");
        assert_eq!(verdict(12.04, 10.0), "missed: 12.0 %");
    }

    #[test]
    fn a_peer_that_is_absent_or_failed_is_named() {
        let nothing = json!({"median": null, "values": []});
        let figures = json!({
            "cpu_percent": nothing, "uncharged_cpu_percent": nothing, "passes_percent": nothing,
            "errors_percent": nothing, "work_per_cpu_second_ratio": nothing,
            "work_per_second_ratio": nothing,
        });
        let wall = json!({
            "repetitions": 2, "seconds": 1.0, "absent": ["py-spy: not to be had\nhere"],
            "rows": [{
                "target": "mixed 200", "hz": 100, "python": "3.15.0", "profiler": "a peer",
                "limit_percent": null, "failure": "it ended", "figures": figures,
            }],
        });
        let mut text = String::new();
        write(&mut text, &wall).expect("a whole document");
        assert!(
            text.contains("| `mixed 200` | 100 | 3.15.0 | a peer |  |"),
            "{text}"
        );
        assert!(text.contains("- a peer failed at `mixed 200 at 100 Hz`: it ended\n"));
        assert!(text.contains("- Not in the table: py-spy: not to be had here\n"));
    }
}
