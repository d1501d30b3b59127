// SPDX-License-Identifier: MIT OR Apache-2.0

//! The figures that pyebpf is to reach, and whether a run reached them. Figures are
//! compared before they are rounded. If the median reaches a goal but the rest of the
//! spread does not, the goal counts as undecided.

use serde_json::Value;

use super::cells::median;
use super::chance::line;

/// A figure to reach, and what a run gave.
#[derive(Debug)]
pub(super) struct Goal {
    /// The goal, in words.
    pub(super) what: String,
    /// Whether the run reached it.
    pub(super) result: Reached,
    /// The measured figure, in words.
    pub(super) found: String,
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Yes,
    No,
    /// The median reaches the goal, but part of its range or interval does not.
    Open,
    /// The figures that it needs were not measured.
    Unmeasured,
}

impl Reached {
    /// Returns the word that tables use.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Yes => "reached",
            Self::No => "missed",
            Self::Open => "not decided",
            Self::Unmeasured => "not measured",
        }
    }

    fn when(is_reached: bool) -> Self {
        if is_reached { Self::Yes } else { Self::No }
    }
}

/// The target at which the costs of profilers are compared.
const COMPARED: &str = "one thread";

/// Returns all goals, in the order of the table.
pub(super) fn of(document: &Value) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (peer, times) in [("py-spy", 100.0), ("profiling.sampling", 20.0)] {
        for hz in [1000, 100, 10] {
            goals.push(cheaper(document, peer, times, hz));
        }
    }
    goals.push(sample(document, "kernel_ns", "kernel side", 3.0));
    goals.push(sample(document, "user_ns", "user side", 2.0));
    goals.push(no_slowdown(document));
    goals.push(little_slowdown(document));
    goals.push(memory(document));
    goals.push(start(document));
    goals.push(linear(document, "depth, cpu", "the depth of stacks"));
    goals.push(linear(
        document,
        "running threads, wall",
        "threads that run",
    ));
    goals.push(flat(document));
    goals.extend(limits(document));
    goals
}

/// Returns the row of the comparison for which `is_it` holds, at the target
/// [`COMPARED`] in cpu mode.
fn compared(document: &Value, hz: u64, is_it: impl Fn(&Value) -> bool) -> Option<&Value> {
    let rows = document["versus"]["rows"].as_array()?;
    rows.iter().find(|row| {
        row["target"] == COMPARED && row["mode"] == "cpu" && row["hz"] == hz && is_it(row)
    })
}

/// Returns how many times cheaper a stack of `ours` is than one of `theirs`: by the
/// medians, then the least and the greatest that single turns would give.
pub(super) fn times_cheaper(ours: &Value, theirs: &Value) -> Option<[f64; 3]> {
    let cost = |row: &Value, name: &str| row["figures"]["cpu_us_per_stack"][name].as_f64();
    Some([
        cost(theirs, "median")? / cost(ours, "median")?,
        cost(theirs, "min")? / cost(ours, "max")?,
        cost(theirs, "max")? / cost(ours, "min")?,
    ])
}

fn cheaper(document: &Value, peer: &str, times: f64, hz: u64) -> Goal {
    let what = format!("CPU per stack at {hz} Hz at most 1/{times} of {peer}'s");
    let theirs = compared(document, hz, |row| {
        let name = row["profiler"].as_str();
        name.is_some_and(|name| name.starts_with(peer))
    });
    let found = theirs.and_then(|theirs| {
        let ours = compared(document, hz, |row| {
            row["ours"] == true && row["python"] == theirs["python"]
        });
        times_cheaper(ours?, theirs)
    });
    let Some([median, least, most]) = found else {
        return unmeasured(what);
    };
    let is_open = median >= times && least < times;
    Goal {
        what,
        result: if is_open {
            Reached::Open
        } else {
            Reached::when(median >= times)
        },
        found: format!(
            "1/{} (1/{}..1/{})",
            times_text(median),
            times_text(least),
            times_text(most)
        ),
    }
}

/// Formats a factor. One below 10 has a decimal, since a peer that is about as cheap
/// differs by a fraction.
fn times_text(times: f64) -> String {
    match times {
        ..10.0 => format!("{times:.1}"),
        _ => format!("{times:.0}"),
    }
}

fn sample(document: &Value, part: &str, name: &str, limit: f64) -> Goal {
    let python = document["python"].as_str().unwrap_or("?");
    let what =
        format!("{name} of a sample of 32 frames, CPython {python}, 1000 Hz: at most {limit} µs");
    let rows = document["sample"].as_array();
    let row = rows.and_then(|rows| {
        let mut rows = rows.iter();
        rows.find(|row| row["python"] == document["python"] && row["hz"] == 1000)
    });
    at_most(what, row.map(|row| &row[part]), 1000.0, limit, " µs", 2)
}

/// Compares the median of a figure with a limit, and shows the whole range.
fn at_most(
    what: String,
    figure: Option<&Value>,
    unit: f64,
    limit: f64,
    name: &str,
    digits: usize,
) -> Goal {
    let number = |part: &str| figure.and_then(|figure| figure[part].as_f64());
    let (Some(median), Some(min), Some(max)) = (number("median"), number("min"), number("max"))
    else {
        return unmeasured(what);
    };
    let [median, min, max] = [median, min, max].map(|value| value / unit);
    let is_open = median <= limit && max > limit;
    Goal {
        what,
        result: if is_open {
            Reached::Open
        } else {
            Reached::when(median <= limit)
        },
        found: format!("{median:.digits$} ({min:.digits$}..{max:.digits$}){name}"),
    }
}

fn slowdown(document: &Value, hz: u64) -> Option<(&Value, [f64; 3])> {
    let rows = document["slowdown"].as_array()?;
    let row = rows.iter().find(|row| row["hz"] == hz)?;
    let ratio = &row["work_per_cpu_second_ratio"];
    let lost = |value: &Value| Some(100.0 * (1.0 - value.as_f64()?));
    let ends = &ratio["interval95"];
    Some((
        ratio,
        [lost(&ratio["median"])?, lost(&ends[1])?, lost(&ends[0])?],
    ))
}

fn no_slowdown(document: &Value) -> Goal {
    let what = "slowdown at 10 Hz not distinguishable from none".to_owned();
    let Some((ratio, [median, low, high])) = slowdown(document, 10) else {
        return unmeasured(what);
    };
    let chance = ratio["sign_test"].as_f64().unwrap_or(1.0);
    Goal {
        what,
        // Only a loss counts: its interval lies above zero and the sign test is
        // significant.
        result: Reached::when(low <= 0.0 || chance > 0.05),
        found: format!("{median:.2} % lost (95 %: {low:.2}..{high:.2}; sign test p = {chance:.2})"),
    }
}

fn little_slowdown(document: &Value) -> Goal {
    let what = "slowdown at 1000 Hz under 1 %".to_owned();
    let Some((_, [median, low, high])) = slowdown(document, 1000) else {
        return unmeasured(what);
    };
    let result = match (median < 1.0, high < 1.0) {
        (true, true) => Reached::Yes,
        (true, false) => Reached::Open,
        (false, _) => Reached::No,
    };
    Goal {
        what,
        result,
        found: format!("{median:.2} % lost (95 %: {low:.2}..{high:.2})"),
    }
}

fn memory(document: &Value) -> Goal {
    let what = "memory with 200 processes under 40 MB".to_owned();
    let rows = document["memory"].as_array();
    let row = rows.and_then(|rows| rows.iter().find(|row| row["processes"] == 200));
    at_most(
        what,
        row.map(|row| &row["peak_kib"]),
        1e6 / 1024.0,
        40.0,
        " MB",
        1,
    )
}

fn start(document: &Value) -> Goal {
    let processes = &document["start"]["processes"];
    let what = format!("start to first sample with {processes} Python processes under 150 ms");
    let figure = &document["start"]["first_sample_ms"];
    at_most(what, Some(figure), 1.0, 150.0, " ms", 0)
}

/// Returns the points of a curve: each count, with the median of its cost.
pub(super) fn points(curve: &Value) -> Vec<(f64, f64)> {
    let points = curve["points"].as_array();
    let point = |point: &Value| Some((point["count"].as_f64()?, median(&point["cost"])?));
    points.map_or(Vec::new(), |all| all.iter().filter_map(point).collect())
}

fn curve<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    let curves = document["growth"].as_array()?;
    curves.iter().find(|curve| curve["name"] == name)
}

/// How far a point may lie from the straight line, as a share of the line's value
/// there, if growth is to count as linear.
const NEAR: f64 = 0.25;

fn linear(document: &Value, name: &str, of: &str) -> Goal {
    let what = format!("cost grows linearly with {of}");
    let found = curve(document, name).and_then(|curve| {
        let points = points(curve);
        Some((line(&points)?, points, curve["unit"].as_str().unwrap_or("")))
    });
    let Some((line, points, unit)) = found else {
        return unmeasured(what);
    };
    let distance = |(x, y): &(f64, f64)| (y / (line.start + line.slope * x) - 1.0).abs();
    let farthest = points.iter().map(distance).fold(0.0, f64::max);
    Goal {
        what,
        result: Reached::when(farthest <= NEAR && line.slope > 0.0),
        found: format!(
            "{:.3} + {:.4} for each, {unit}; R² {:.3}, no point farther than {:.0} % from the line",
            line.start,
            line.slope,
            line.explained,
            (100.0 * farthest).ceil(),
        ),
    }
}

fn flat(document: &Value) -> Goal {
    let what = "idle threads cost nothing in cpu mode".to_owned();
    let points = curve(document, "idle threads, cpu")
        .and_then(|curve| curve["points"].as_array().cloned())
        .unwrap_or_default();
    let number = |point: &Value, name: &str| point["cost"][name].as_f64();
    let ends = points.first().zip(points.last()).and_then(|(few, many)| {
        let medians = (number(few, "median")?, number(many, "median")?);
        let is_beyond = number(many, "min")? > number(few, "max")?;
        Some((
            medians,
            is_beyond,
            few["count"].clone(),
            many["count"].clone(),
        ))
    });
    let Some(((few, many), is_beyond, first, last)) = ends else {
        return unmeasured(what);
    };
    Goal {
        what,
        result: Reached::when(!is_beyond || many <= few * 1.1),
        found: format!("{few:.3} % of one CPU with {first}, {many:.3} % with {last}"),
    }
}

/// Returns the goals of the rows that have a limit of their own.
fn limits(document: &Value) -> Vec<Goal> {
    let rows = document["versus"]["rows"].as_array();
    let goal = |row: &Value| {
        let limit = row["limit_percent"].as_f64()?;
        let what = format!(
            "\"{}\" with --mode wall at {} Hz, CPython {}: at most {limit} % of one CPU",
            row["target"].as_str()?,
            row["hz"],
            row["python"].as_str()?,
        );
        let figures = &row["figures"];
        let mut goal = at_most(what, Some(&figures["cpu_percent"]), 1.0, limit, " %", 1);
        // A low cost means nothing if stacks were not taken.
        if let Some(taken) = median(&figures["taken_percent_of_asked"]) {
            goal.found += &format!(", with {taken:.0} % of the stacks");
        }
        Some(goal)
    };
    rows.map_or(Vec::new(), |rows| rows.iter().filter_map(goal).collect())
}

fn unmeasured(what: String) -> Goal {
    Goal {
        what,
        result: Reached::Unmeasured,
        found: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Reached, flat, linear, little_slowdown, no_slowdown, of};

    fn slowdown(median: f64, low: f64, high: f64, chance: f64) -> Value {
        let ratio = json!({"median": median, "interval95": [low, high], "sign_test": chance});
        let row = |hz: u32| json!({"hz": hz, "work_per_cpu_second_ratio": ratio});
        json!({"slowdown": [row(10), row(1000)]})
    }

    #[test]
    fn what_is_within_the_noise_is_no_slowdown_and_what_is_not_is() {
        let noise = slowdown(0.999, 0.997, 1.002, 0.4);
        assert_eq!(no_slowdown(&noise).result, Reached::Yes);
        assert_eq!(little_slowdown(&noise).result, Reached::Yes);
        let slower = slowdown(0.98, 0.97, 0.985, 0.001);
        assert_eq!(no_slowdown(&slower).result, Reached::No);
        assert_eq!(little_slowdown(&slower).result, Reached::No);
        let wide = slowdown(0.995, 0.98, 1.01, 0.4);
        assert_eq!(little_slowdown(&wide).result, Reached::Open);
    }

    fn growth(name: &str, costs: &[(u32, f64)]) -> Value {
        let point = |(count, cost): &(u32, f64)| {
            let cost = json!({"median": cost, "min": cost * 0.99, "max": cost * 1.01});
            json!({"count": count, "cost": cost})
        };
        let points: Vec<_> = costs.iter().map(point).collect();
        json!({"growth": [{"name": name, "unit": "us", "points": points}]})
    }

    #[test]
    fn a_curve_is_no_line_and_a_slope_is_not_flat() {
        let straight = growth("depth, cpu", &[(8, 1.8), (64, 7.4), (1024, 103.4)]);
        assert_eq!(linear(&straight, "depth, cpu", "x").result, Reached::Yes);
        let curved = growth("depth, cpu", &[(8, 1.0), (64, 64.0), (1024, 16384.0)]);
        assert_eq!(linear(&curved, "depth, cpu", "x").result, Reached::No);
        let still = growth("idle threads, cpu", &[(1, 0.5), (2000, 0.52)]);
        assert_eq!(flat(&still).result, Reached::Yes);
        let rising = growth("idle threads, cpu", &[(1, 0.5), (2000, 0.9)]);
        assert_eq!(flat(&rising).result, Reached::No);
    }

    #[test]
    fn an_empty_document_reaches_nothing() {
        assert!(
            of(&json!({}))
                .iter()
                .all(|goal| goal.result == Reached::Unmeasured)
        );
    }
}
